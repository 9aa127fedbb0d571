/* prelude.h - what the module that cffi writes includes. */
#include "drain.h"
#include "frame.h"
#include "nl80211.h"
#include "tap.h"
