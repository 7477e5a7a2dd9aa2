# Runs a program until it exits, or until the process at the other end of standard input ends.
#
# Arguments: the signal that ends the program, a file for its standard input, the program, and its
# arguments. Prints the program's process id as one line, and exits with its status. The output of
# the program goes to standard error.
signal=$1
input=$2
shift 2
exec 3<&0
# When the starting process dies while the program is suspended, the system sends SIGHUP and SIGCONT
# to this group.
trap '' HUP

"$@" <"$input" >&2 3<&- &
program=$!
echo "$program"
exec >&2

{
    read -r _ <&3
    kill -s "$signal" "$program"
    n=0
    while [ "$n" -lt 10 ] && kill -s 0 "$program"; do
        n=$((n + 1))
        sleep 1
    done
    kill -s KILL "$program"
} 2>/dev/null &
reader=$!
exec 3<&-

wait "$program"
status=$?
kill -s KILL "$reader" 2>/dev/null
exit "$status"
