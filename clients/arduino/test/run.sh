#!/bin/sh
# Compiles the header as strictly as boards need, runs its tests, and checks its size.
# Builds into $CHAOS_BUILD, where it also leaves the driver for storms.
set -eu
strict="-std=c++11 -Wall -Wextra -Werror"
board="$strict -fno-exceptions -fno-rtti -Os -ffunction-sections -fno-asynchronous-unwind-tables"

g++ $board -c test/size.cpp -o "$CHAOS_BUILD/arduino-size.o"
# On x86-64. Boards have denser instructions: README.md.
bytes=$(size "$CHAOS_BUILD/arduino-size.o" | awk 'NR == 2 { print $1 }')
echo "flash: $bytes bytes"
if [ "$(uname -m)" = x86_64 ] && [ "$bytes" -gt 3712 ]; then
    echo "the header has grown beyond 3712 bytes" >&2
    exit 1
fi

# The sketch of the README.
sed -n '/^```cpp/,/^```/ { /^```/d; /^#include/d; p }' README.md >"$CHAOS_BUILD/sketch.cpp"
g++ $board -include test/sketch.h -fsyntax-only "$CHAOS_BUILD/sketch.cpp"

g++ $strict -g -fsanitize=address,undefined -fno-sanitize-recover test/rules.cpp \
    -o "$CHAOS_BUILD/arduino-rules"
"$CHAOS_BUILD/arduino-rules"
g++ $strict -O1 -pthread test/chaos.cpp -o "$CHAOS_BUILD/arduino-driver"
