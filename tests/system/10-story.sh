#!/bin/bash
# The main job on the embedded node.
. "$(dirname "$0")/lib.sh"
need_fuse
. "$TOP/tests/system/story.sh"
server_stop
