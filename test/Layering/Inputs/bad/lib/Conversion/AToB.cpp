#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/AToB.h"
#include "lib/Conversion/BToC/Rows.h"
#include "lib/Conversion/Noun.h"
