#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/AToB.h"
#include "lib/Conversion/BToC.h"
