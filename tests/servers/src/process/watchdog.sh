# Runs a program until it ends, or until whoever holds the other end of standard input is gone.
#
# Arguments: the signal that ends the program, a file for its standard input, the program, and what
# it is given. Writes the program's process id as one line, and leaves with its exit status. What
# the program writes goes to standard error.
signal=$1
input=$2
shift 2
exec 3<&0
# When the starter dies while the program is paused, the system sends SIGHUP to all of this group,
# and lets it go on.
trap '' HUP

"$@" <"$input" >&2 3<&- &
program=$!
echo "$program"
exec >&2

{
    read -r _ <&3
    kill -s "$signal" "$program"
    n=0
    while [ "$n" -lt 50 ] && kill -s 0 "$program"; do
        n=$((n + 1))
        sleep 0.2
    done
    kill -s KILL "$program"
} 2>/dev/null &
reader=$!
exec 3<&-

wait "$program"
status=$?
kill -s KILL "$reader" 2>/dev/null
exit "$status"
