// Tests of several processes on CPUs need Gloo, which a LibTorch without its headers does not give.
#pragma once

#include <gtest/gtest.h>

#ifdef TAILOR_GLOO
#define TAILOR_NEEDS_GLOO() static_cast<void>(0)
#else
#define TAILOR_NEEDS_GLOO() GTEST_SKIP() << "this build has no Gloo"
#endif
