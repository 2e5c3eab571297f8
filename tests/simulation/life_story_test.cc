#include "tests/simulation/world.h"

#include <gtest/gtest.h>
