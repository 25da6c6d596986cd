package runtime

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/storage/private"
)

// Check is one thing that shoebox needs, looked at.
type Check struct {
	Name   string
	OK     bool
	Detail string // what is there
	Advice string // what to do; empty when OK
}

// lowDisk is the free space, in bytes, below which a library of photos soon
// fills the disk: the private database starts at 40 MB and may keep 512 MB of
// log at a time.
const lowDisk = 2 << 30

// CheckPlatform looks whether the pinned runtime is made for this machine.
func CheckPlatform() Check {
	platform := stdruntime.GOOS + "/" + stdruntime.GOARCH
	c := Check{Name: "platform"}
	if err := checkPlatform(platform); err != nil {
		return c.fail(err.Error(), components[0].without+" and "+components[1].without)
	}
	return c.pass(platform)
}

// CheckData looks whether the data folder can be made and written to.
func CheckData(dataDir string) Check {
	c := Check{Name: "data folder"}
	advice := "choose a folder of your own with --data or SHOEBOX_DATA"
	if err := private.MakeDataDir(dataDir); err != nil {
		return c.fail(err.Error(), advice)
	}
	file, err := os.CreateTemp(dataDir, "doctor-")
	if err != nil {
		return c.fail(err.Error(), advice)
	}
	_, err = file.Write(make([]byte, 4096))
	if err := errors.Join(err, file.Close(), os.Remove(file.Name())); err != nil {
		return c.fail(err.Error(), "free space on its disk, or "+advice)
	}
	return c.pass(dataDir)
}

// CheckDisk looks how much room is left where the data folder is or will be.
func CheckDisk(dataDir string) Check {
	c := Check{Name: "free disk"}
	dir := dataDir
	free, err := freeSpace(dir)
	for errors.Is(err, unix.ENOENT) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		free, err = freeSpace(dir)
	}
	if err != nil {
		return c.fail(fmt.Sprintf("%s: %v", dir, err), "choose another folder with --data or SHOEBOX_DATA")
	}
	detail := fmt.Sprintf("%.1f GB in %s", float64(free)/1e9, dir)
	if free < lowDisk {
		return c.fail(detail, "free some space, or choose a folder on another disk with --data or SHOEBOX_DATA")
	}
	return c.pass(detail)
}

// freeSpace is how many bytes may be written to a folder's disk.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail * uint64(fs.Bsize)), nil
}

// HasGPU says whether the system shows a GPU of NVIDIA's: on Windows' Linux
// under another name.
func HasGPU() bool {
	for _, pattern := range []string{"/dev/nvidia[0-9]*", "/dev/dxg"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return true
		}
	}
	return false
}

// CheckONNXRuntime looks for the library and reads its version. It does not load
// it: a library that does not fit could end the process.
func CheckONNXRuntime(dataDir string) Check {
	c := Check{Name: "ONNX Runtime"}
	found, _ := Find(dataDir)
	if found.ONNXRuntime == "" {
		if library := os.Getenv(libraryVariable); library != "" {
			return c.fail(fmt.Sprintf("%s is %s, which is not there", libraryVariable, library), "correct or unset it")
		}
		return c.fail("not fetched yet", "run `shoebox setup`, or "+components[0].without)
	}
	version, err := libraryVersion(found.ONNXRuntime)
	if err != nil {
		return c.fail(fmt.Sprintf("%s: %v", found.ONNXRuntime, err), components[0].without)
	}
	detail := fmt.Sprintf("%s (%s)", version, found.ONNXRuntime)
	if !atLeast(version, components[0].version) {
		return c.fail(detail, fmt.Sprintf("shoebox needs %s or newer: unset %s to have it fetched", components[0].version, libraryVariable))
	}
	return c.pass(detail)
}

// libraryVersion is the version that ONNX Runtime's symbols carry, VERS_1.24.4.
func libraryVersion(path string) (string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if file.Machine != elf.EM_X86_64 || file.Type != elf.ET_DYN {
		return "", errors.New("not a library for x86-64")
	}
	versions, err := file.DynamicVersions()
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		if version, ok := strings.CutPrefix(v.Name, "VERS_"); ok {
			return version, nil
		}
	}
	return "", errors.New("not ONNX Runtime: its symbols carry no version")
}

// atLeast compares the first two numbers of versions, which are what decides
// whether ONNX Runtime's interface fits.
func atLeast(version, wanted string) bool {
	var is, want [2]int
	_, err := fmt.Sscanf(version, "%d.%d", &is[0], &is[1])
	_, errWanted := fmt.Sscanf(wanted, "%d.%d", &want[0], &want[1])
	return err == nil && errWanted == nil && slices.Compare(is[:], want[:]) >= 0
}

// CheckPostgres looks whether the PostgreSQL programs are there and run.
func CheckPostgres(ctx context.Context, dataDir string) Check {
	c := Check{Name: "PostgreSQL"}
	found, _ := Find(dataDir)
	if found.PostgresBin == "" {
		return c.fail("not fetched yet", "run `shoebox setup`, or "+components[1].without)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(found.PostgresBin, "postgres"), "-V").CombinedOutput()
	said := strings.TrimSpace(string(out))
	if err != nil {
		return c.fail(fmt.Sprintf("%s does not run: %v: %s", found.PostgresBin, err, said),
			"remove that folder and run `shoebox setup` again, or "+components[1].without)
	}
	return c.pass(fmt.Sprintf("%s (%s)", said, found.PostgresBin))
}

// CheckPip looks for what setup needs; once everything is fetched, nothing does.
func CheckPip(ctx context.Context, dataDir string) Check {
	c := Check{Name: "Python with pip"}
	if _, missing := Find(dataDir); len(missing) == 0 {
		return c.pass("not needed any more: the runtime is there")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	work, err := os.MkdirTemp("", "shoebox-doctor-")
	if err != nil {
		return c.fail(err.Error(), "make the folder for temporary files writable")
	}
	defer os.RemoveAll(work)
	pip, err := findPip(ctx, work)
	if err != nil {
		return c.fail("no Python 3 with pip", "`apt install python3-pip` or `dnf install python3-pip`")
	}
	return c.pass(strings.ReplaceAll(strings.Join(pip, " "), work+"/", ""))
}

// CheckServerUser looks whether the private database can run as the user it has
// to: everybody's own, but not root.
func CheckServerUser(dataDir string) Check {
	c := Check{Name: "database user"}
	u, err := private.ServerUser(dataDir)
	if err != nil {
		return c.fail(err.Error(), "`useradd --system shoebox`, or "+components[1].without)
	}
	if os.Geteuid() != 0 {
		return c.pass(u.Username)
	}
	for _, path := range []string{dataDir, Dir(dataDir)} {
		if err := private.CheckPassage(path, u); err != nil && !errors.Is(err, os.ErrNotExist) {
			return c.fail(err.Error(), "open that folder, or choose another one with --data or SHOEBOX_DATA")
		}
	}
	detail := fmt.Sprintf("%s, as PostgreSQL cannot run as root", u.Username)
	if u.Username == "nobody" {
		detail += "; other services may run as nobody too: `useradd --system shoebox` before the first start gives it a user of its own"
	}
	return c.pass(detail)
}

func (c Check) pass(detail string) Check {
	c.OK, c.Detail = true, detail
	return c
}

func (c Check) fail(detail, advice string) Check {
	c.Detail, c.Advice = detail, advice
	return c
}
