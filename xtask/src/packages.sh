# Installs packages of Debian and its derivatives, and keeps their services from starting.
#
# Arguments: the path of policy-rc.d, which decides whether services may start, and the packages.
# Needs root.
set -eu
policy=$1
shift
saved=$policy.before-aquaware
export DEBIAN_FRONTEND=noninteractive

restore() {
    rm -f "$policy"
    if [ -e "$saved" ]; then mv "$saved" "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ] && [ ! -e "$saved" ]; then mv "$policy" "$saved"; fi
# 101: the service may not be started.
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

apt-get -o Acquire::Retries=3 update || echo "using the package lists of the last update" >&2
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@"

if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        # The service of mariadb-server is mariadb; the others are called like their packages.
        service=$package
        if [ "$package" = mariadb-server ]; then service=mariadb; fi
        if systemctl cat "$service.service" >/dev/null 2>&1; then
            systemctl disable "$service" || echo "$service may start with the system" >&2
        fi
    done
fi
