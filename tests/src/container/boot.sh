# Runs as the first process of namespaces of its own; $1 is a Debian root, $2 a directory for what changes in it, $3 the
# name of the control group, $4 the first program in the root.
set -e
base=$1 place=$2 group=$3 first=$4
root=$place/root
mount --make-rprivate /
mkdir -p "$place/upper" "$place/work" "$place/shared" "$place/cgroup" "$root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$place/upper,workdir=$place/work" "$root"
mount -t cgroup2 cgroup2 "$place/cgroup"
mkdir -p "$place/cgroup/$group"
echo 0 >"$place/cgroup/$group/cgroup.procs"
umount "$place/cgroup"

mount -t proc proc "$root/proc"
# The machine is the host's: nothing in here may turn its knobs.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs sysfs "$root/sys"
mount -t bpf bpf "$root/sys/fs/bpf" -o mode=700
mount -t tmpfs tmpfs "$root/dev" -o mode=755
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=666
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/run/shared"
mount --bind "$place/shared" "$root/run/shared"
for unit in systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-remount-fs.service \
    systemd-random-seed.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
done
# The control group namespace comes last: its root is the group that the process is in.
exec unshare --cgroup sh -c '
    mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
    exec env -i container=sensor-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1" $2' sh "$root" "$first"
