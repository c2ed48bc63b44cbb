#include "heddle/Conversion/Passes.h"
