# Runs as the first process of mount and process namespaces of its own; $1 is a Debian root, $2 a directory for what
# changes in it, with the repository in `source`; $3 has what is kept between runs; then come variables, NAME=VALUE.
set -e
base=$1 place=$2 kept=$3
shift 3
root=$place/root
mount --make-rprivate /
mkdir -p "$place/upper" "$place/work" "$root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$place/upper,workdir=$place/work" "$root"
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
# How the network is reached is the host's, too.
rm -f "$root/etc/resolv.conf"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
for sources in sources.list sources.list.d apt.conf.d keyrings trusted.gpg.d auth.conf.d; do
    rm -rf "$root/etc/apt/$sources"
    if [ -e "/etc/apt/$sources" ]; then
        cp -a "/etc/apt/$sources" "$root/etc/apt/$sources"
    fi
done
if [ -d /usr/local/share/ca-certificates ]; then
    cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
fi
mkdir -p "$root/src" "$root/home/.cargo"
mount --bind "$place/source" "$root/src"
mkdir -p "$root/src/target"
mount --bind "$kept/target" "$root/src/target"
mount --bind "$kept/cargo" "$root/home/.cargo"
exec env -i "$@" HOME=/home CARGO_INCREMENTAL=0 LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" sh -c '
    set -e
    update-ca-certificates >/dev/null 2>&1
    apt-get --quiet=2 update
    # Rust, which a person has before anything else.
    apt-get --quiet=2 install --yes --no-install-recommends rustc-web cargo-web gcc libc6-dev >/dev/null
    cd /src
    cargo xtask setup
    cargo xtask demo --seconds 2'
