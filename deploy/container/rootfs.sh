#!/bin/sh
# Makes a root file system for the program: rootfs.sh PROGRAM DIRECTORY
#
# It contains the program, the libraries that it is linked to, the certificate authorities for TLS to
# stores, and the user that the image runs as. Nothing in it can be written except the data directory.
set -eu

program=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/var/lib/aquaware" "$root/tmp"
install -m 0755 "$program" "$root/usr/bin/aquaware"

# Lines of ldd: "libc.so.6 => /lib/…/libc.so.6 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)".
ldd "$program" | sed -n 's|.*[[:space:]]\(/[^ ]*\) (0x.*|\1|p' | while read -r library; do
  install -D -m 0755 "$library" "$root$library"
done

authorities=/etc/ssl/certs/ca-certificates.crt
if [ -f "$authorities" ]; then
  install -m 0644 "$authorities" "$root$authorities"
fi

echo 'aquaware:x:65532:65532:Aquaware:/var/lib/aquaware:/sbin/nologin' >"$root/etc/passwd"
echo 'aquaware:x:65532:' >"$root/etc/group"
chmod 1777 "$root/tmp"
chmod 0700 "$root/var/lib/aquaware"
if [ "$(id -u)" = 0 ]; then
  chown 65532:65532 "$root/var/lib/aquaware"
fi
