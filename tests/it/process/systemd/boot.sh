#!/bin/sh
# Boots a systemd of its own, in namespaces of its own, until stdin ends; then nothing of it is left.
#
#   boot.sh boot HOME BINARY
#
# HOME holds `units`, which are all the units that there are, and `etc`, which is put over a copy of what little of /etc a
# service needs. The process that is systemd, as the outside counts, is written to HOME/pid. What the machine does not allow
# is told as `denied: WHY` on stderr.
set -eu

boot() {
    [ "$(id -u)" = 0 ] || denied "only root may boot a systemd"
    unshare --mount --pid --fork --uts --ipc --cgroup true || denied "no namespaces may be made (unshare)"
    exec unshare --mount sh "$0" outside "$@"
}

outside() {
    home=$1
    # A cgroup below our own, seen through a mount that only we have.
    mkdir "$home/cgroups"
    mount --make-rprivate / && mount -t cgroup2 none "$home/cgroups" || denied "cgroup2 cannot be mounted"
    own=$home/cgroups$(sed -n 's/^0:://p' /proc/self/cgroup)
    cgroup=$own/posmoded-test-$$
    mkdir "$cgroup" || denied "no cgroup can be made"
    trap 'clean' EXIT
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup" \
        unshare --mount --pid --fork --kill-child --uts --ipc --cgroup \
        sh "$0" inside "$@" </dev/null &
    unshare=$!
    # Whoever wanted it is gone when stdin ends, however that came.
    cat >/dev/null
}

clean() {
    kill -KILL "$unshare" 2>/dev/null || true
    wait "$unshare" 2>/dev/null || true
    # The kernel empties a cgroup a moment after its processes were killed.
    echo 1 >"$cgroup/cgroup.kill" 2>/dev/null || true
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -d "$cgroup" ] || break
        sleep 0.1
    done
}

inside() {
    home=$1 binary=$2
    # /proc is still that of the outside.
    read -r pid _ </proc/self/stat
    mount --make-rprivate /
    mount -t proc proc /proc || denied "proc cannot be mounted"
    # So that no setting of the kernel is touched, which has but one for everybody.
    mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
    mount -t cgroup2 none /sys/fs/cgroup || denied "cgroup2 cannot be mounted in a namespace"

    mount -t tmpfs -o mode=755 run /run
    mkdir /run/test /run/etc /run/generators /run/lock
    mount --bind "$home" /run/test
    touch /run/posmoded
    mount --bind "$binary" /run/posmoded
    for file in group ld.so.cache ld.so.conf ld.so.conf.d nsswitch.conf passwd ssl; do
        [ ! -e "/etc/$file" ] || cp -a "/etc/$file" /run/etc/
    done
    cp -a "$home/etc/." /run/etc/
    mount --bind "$home/etc/posmoded" /run/etc/posmoded
    mount --rbind /run/etc /etc
    for covered in /tmp /var/tmp /var/lib /var/cache /var/log; do
        mount -t tmpfs -o mode=755 tmpfs "$covered"
    done
    chmod 1777 /tmp /var/tmp
    mkdir -m 0700 /var/lib/private
    # Else the directories that systemd makes for a service come out empty in it.
    mount --make-rshared /
    # No journal listens yet: the log must go elsewhere.
    /run/posmoded --log journald --state /run/nobody run >/run/test/without 2>&1 || true

    echo "$pid" >/run/test/pid
    exec env -i PATH="$PATH" container=test SYSTEMD_UNIT_PATH=/run/test/units \
        SYSTEMD_GENERATOR_PATH=/run/generators SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/generators \
        /lib/systemd/systemd --system --unit=default.target --log-target=journal --show-status=no
}

denied() {
    echo "denied: $1" >&2
    exit 1
}

"$@"
