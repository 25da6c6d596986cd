"""Measures watching, rescanning and working together through the shoebox program.

    python3 testdata/measure_watch.py bin/shoebox [creations] [limited] [rescan] [move] [workers]

Everything happens in a temporary folder, with a private database of its own;
SHOEBOX_RUNTIME_DIR names the runtime. Run by root, shoebox runs as `nobody`:
the system's limit of watches is lowered in a user namespace, where root would
be nobody in particular.
"""

import contextlib
import json
import os
import pwd
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

QUIET = 2  # seconds, as `watch` has it

# A process in such a namespace has a limit of its own, and the user it had.
LIMITED = [
    *["unshare", "--user", "--map-root-user", "sh", "-c"],
    'echo 100 > /proc/sys/user/max_inotify_watches && exec unshare --user --map-user="$0" "$@"',
]


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def picture(number):
    """A PNG of 8x8 grey pixels with a note: all differ, of a hundred one looks different."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    half, rest = divmod(number // 100, 256)
    pixels = zlib.compress((b"\0" + bytes([half] * 4 + [rest] * 4)) * 8)
    note = b"Comment\0%d" % number
    parts = [(b"IHDR", header), (b"tEXt", note), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def noise(number):
    """A PNG of 8x8 colours, all different."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    colours = random.Random(number)
    pixels = zlib.compress(b"".join(b"\0" + colours.randbytes(24) for _ in range(8)))
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def heic(number):
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic%d" % number


class Library:
    def __init__(self, program, place):
        self.program = os.path.abspath(program)
        self.place = place
        self.root = os.path.join(place, "photos")
        os.mkdir(self.root)
        self.user = []
        self.uid = os.getuid()
        if self.uid == 0:
            nobody = pwd.getpwnam("nobody")
            self.uid = nobody.pw_uid
            os.chown(place, nobody.pw_uid, nobody.pw_gid)
            self.user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
            self.user.append("--clear-groups")
        data = os.path.join(place, "data")
        self.env = os.environ | {"SHOEBOX_DATA": data, "DATABASE_URL": "", "HOME": place}
        self.written = 0

    def command(self, *args, before=()):
        return [*self.user, *before, self.program, *args]

    def run(self, *args):
        done = subprocess.run(
            self.command(*args), check=False, env=self.env, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"shoebox {args}: {done.stdout}{done.stderr}")
        return done.stdout

    def write(self, folder, count, name="{:06d}.png", content=picture):
        path = os.path.join(self.root, folder)
        os.makedirs(path, exist_ok=True)
        for _ in range(count):
            self.written += 1
            with open(os.path.join(path, name.format(self.written)), "wb") as file:
                file.write(content(self.written))

    def status(self):
        return json.loads(self.run("status", "--json"))

    def wait(self, reached):
        while not reached(status := self.status()):
            time.sleep(1)  # asking takes the processor from what is asked about
        return status

    @contextlib.contextmanager
    def watching(self, before=()):
        log = os.path.join(self.place, "log")
        with open(log, "wb") as stderr:
            command = self.command("watch", f"--quiet={QUIET}s", self.root, before=before)
            watch = subprocess.Popen(command, env=self.env, stderr=stderr)
        self.log = log
        try:
            self.wait(lambda s: s["folders"] and s["folders"][0]["watch"] != "no")
            yield
        finally:
            watch.terminate()
            asked = time.monotonic()
            watch.wait()
            print(
                f"  ended {time.monotonic() - asked:.1f} s after SIGTERM, code {watch.returncode}"
            )


def known(status):
    counts = status["files"]
    return sum(counts[state] for state in ("pending", "leased", "done", "failed", "unsupported"))


def creations(library, before=()):
    """50,000 files come while the worker is busy with them."""
    folders = [f"{i % 5}/{i}" for i in range(150)]
    library.write("0", 1)
    for folder in folders:
        os.makedirs(os.path.join(library.root, folder))
    with library.watching(before):
        began = time.monotonic()
        for folder in folders:
            library.write(folder, 49_000 // len(folders))
        for i in range(100):  # nested in new folders
            library.write(f"new/{i % 10}/{i}", 10)
        library.write("0", 50_001 - library.written)
        created = time.monotonic()
        print(f"  {library.written - 1} files created in {created - began:.1f} s")
        library.wait(lambda s: known(s) == library.written)
        print(f"  all found {time.monotonic() - created:.1f} s after the last was created")
        status = library.status()
        print(f"  {status['files']['done']} of them were captioned by then")
        folder = status["folders"][0]
        print(f"  the folder is {folder['watch']}: {folder.get('watch_reason', '')}")


def limited(library):
    """The same with a limit of 100 watches."""
    creations(library, before=[*LIMITED, str(library.uid)])


def rescan(library):
    """100,000 unchanged files, beside find."""
    for i in range(200):  # of a format that is not read, which saves the captioning
        library.write(f"{i % 20}/{i}", 500, "IMG_{:06d}.heic", heic)
    began = time.monotonic()
    library.run("index", library.root)
    print(f"  {library.written} files indexed in {time.monotonic() - began:.0f} s")
    finds, scans, memory = [], [], 0
    find = ["find", library.root, "-type", "f", "-printf", "%s %T@ %p\n"]
    for _ in range(7):
        began = time.monotonic()
        subprocess.run(find, stdout=subprocess.DEVNULL, check=True)
        finds.append(time.monotonic() - began)
        began = time.monotonic()
        index = subprocess.Popen(
            library.command("index", library.root), env=library.env, stdout=subprocess.PIPE
        )
        index.stdout.read()
        memory = max(memory, os.wait4(index.pid, 0)[2].ru_maxrss)
        scans.append(time.monotonic() - began)
    scan, alone = statistics.median(scans), statistics.median(finds)
    print(f"  index {scan:.2f} s, find {alone:.2f} s, medians of 7: {scan / alone:.1f} times")
    print(f"  peak memory {memory / 1024:.0f} MB")


def move(library):
    """A folder of 10,000 captioned photos is renamed while `watch` runs."""
    for i in range(20):
        library.write(f"before/{i}", 500)
    library.write("stays", 1)
    library.run("index", library.root)
    with library.watching():
        began = time.monotonic()
        os.rename(os.path.join(library.root, "before"), os.path.join(library.root, "after"))
        done = library.written
        # Moved files are known twice: as missing and as new.
        library.wait(
            lambda s: (
                s["files"]["done"] == done
                and s["files"]["missing"] == done - 1
                and not s["index"]["behind"]
            )
        )
        took = time.monotonic() - began
        hits = library.run("search", "--json", "--limit=20000", "a").splitlines()
    paths = [path for hit in hits for path in json.loads(hit)["paths"]]
    moved = sum("/after/" in path for path in paths)
    with open(library.log) as log:
        computed = sum(int(n) for n in re.findall(r"msg=captioned photos=(\d+)", log.read()))
    print(f"  search shows {moved} new paths after {took:.1f} s, {len(paths) - moved} others")
    print(f"  {computed} captions computed")


def workers(library):
    """Four `work` processes share 2,000 photos and 18,000 copies of them."""
    photos, copies = 2000, 9
    library.write("0", 1)
    library.run("index", library.root)
    for copy in range(copies + 1):  # far apart in the queue
        os.makedirs(os.path.join(library.root, "1", str(copy)))
        for i in range(photos):
            path = os.path.join(library.root, "1", str(copy), f"{i}.png")
            with open(path, "wb") as file:
                file.write(noise(i))
    library.run("verify", "--repair")
    files = photos * (copies + 1)
    began = time.monotonic()
    work = [
        subprocess.Popen(
            library.command("work", "--threads=1"),
            env=library.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    library.wait(lambda s: s["files"]["done"] == files + 1)
    took = time.monotonic() - began
    captioned = 0
    for process in work:
        process.terminate()
        captioned += int(process.communicate()[0].split()[0])
    print(
        f"  {files / took:.0f} files a second, {photos / took:.0f} captions a second, {took:.0f} s"
    )
    print(f"  {captioned} captions computed for {photos} photos")


def main():
    sys.stdout.reconfigure(line_buffering=True)
    program, *chosen = sys.argv[1:]
    for measure in (creations, limited, rescan, move, workers):
        if chosen and measure.__name__ not in chosen:
            continue
        print(f"{measure.__name__}: {measure.__doc__}", flush=True)
        place = tempfile.mkdtemp(prefix="shoebox-measure-")
        os.chmod(place, 0o755)
        try:
            measure(Library(program, place))
        finally:
            while os.path.exists(place):  # the private database stays for a moment
                time.sleep(5)
                shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
