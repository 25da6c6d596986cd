package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	stdruntime "runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/sync/errgroup"

	"shoebox/captioner"
	"shoebox/captioner/picture"
)

// cameraPhotos is how many 12 MP pictures, of 4 MB each, are indexed.
const cameraPhotos = 300

// index measures whole runs: of camera pictures, which take as long to decode as
// to caption, beside what decoding and the model alone allow; and of more and
// more small ones, which show whether it slows down or grows.
func (b *bench) index(ctx context.Context) error {
	camera := filepath.Join(b.dir, "camera")
	if err := b.makeLibrary(ctx, camera, cameraPhotos, 4000, 3000); err != nil {
		return err
	}
	if err := b.besideStages(ctx, camera, "12 MP camera pictures", cameraPhotos); err != nil {
		return err
	}
	if err := os.RemoveAll(camera); err != nil {
		return err
	}
	var first run
	for i, n := range b.libraries {
		dir := filepath.Join(b.dir, fmt.Sprint(n))
		if err := b.makeLibrary(ctx, dir, n, 400, 300); err != nil {
			return err
		}
		if i == 0 {
			if err := b.besideStages(ctx, dir, "400x300 pictures", n); err != nil {
				return err
			}
		}
		r, err := b.indexed(ctx, dir)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("index, %d pictures of 400x300", n)
		if i == 0 {
			first = r
			b.add(row{what: what, figure: fmt.Sprintf("%.1f photos/s", r.rate)})
			b.add(row{what: what + ", peak memory", figure: fmt.Sprintf("%d MB", r.peak>>20)})
		} else {
			beside := fmt.Sprintf("%d: %.1f photos/s", b.libraries[0], first.rate)
			b.add(row{what, fmt.Sprintf("%.1f photos/s", r.rate), beside, fmt.Sprintf("%.0f %%", 100*r.rate/first.rate), "within 5 %"})
			beside = fmt.Sprintf("%d: %d MB", b.libraries[0], first.peak>>20)
			b.add(row{what + ", peak memory", fmt.Sprintf("%d MB", r.peak>>20), beside, fmt.Sprintf("%.0f %%", 100*float64(r.peak)/float64(first.peak)), "flat"})
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// besideStages compares the rate of whole runs with what decoding and the model
// allow that one after the other use all cores, measured in turn.
func (b *bench) besideStages(ctx context.Context, dir, what string, photos int) error {
	var rates, decoding, captioning, shares []float64
	var last run
	for range b.rounds {
		var err error
		if last, err = b.indexed(ctx, dir); err != nil {
			return err
		}
		decode, caption, err := stageRates(dir)
		if err != nil {
			return err
		}
		rates, decoding, captioning = append(rates, last.rate), append(decoding, decode), append(captioning, caption)
		shares = append(shares, last.rate*(1/decode+1/caption))
		progress("%s: %.1f photos/s; decoding alone %.1f, the model alone %.1f", what, last.rate, decode, caption)
	}
	decode, caption := median(decoding), median(captioning)
	b.add(row{
		fmt.Sprintf("index, %d %s", photos, what), fmt.Sprintf("%.1f photos/s", median(rates)),
		fmt.Sprintf("decoding alone %.1f/s, the model alone %.1f/s, both %.1f/s", decode, caption, 1/(1/decode+1/caption)),
		fmt.Sprintf("%.0f %% of what they allow", 100*median(shares)), "at least 90 %",
	})
	b.add(row{what: "the same, peak memory", figure: fmt.Sprintf("%d MB", last.peak>>20)})
	fmt.Fprintf(os.Stderr, "%s\n", last.profile)
	return nil
}

// run is what became of a run of `index`.
type run struct {
	rate    float64 // photos a second that were captioned
	peak    int64   // bytes of memory
	profile string
}

var captionedNow = regexp.MustCompile(`(\d+) captioned now \(([\d.]+) a second\)`)

// indexed runs `index` over a folder, with a new data folder.
func (b *bench) indexed(ctx context.Context, dir string) (run, error) {
	data := filepath.Join(b.dir, "data")
	if err := os.RemoveAll(data); err != nil {
		return run{}, err
	}
	cmd := exec.CommandContext(ctx, b.program, "index", "--data", data, "--profile", dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return run{}, err
	}
	ended := make(chan struct{})
	highest := make(chan int64)
	go func() { highest <- peakMemory(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	peak := <-highest
	if err != nil {
		return run{}, fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, &stdout, &stderr)
	}
	found := captionedNow.FindSubmatch(stdout.Bytes())
	if found == nil {
		return run{}, fmt.Errorf("index says nothing of a rate:\n%s", &stdout)
	}
	rate, err := strconv.ParseFloat(string(found[2]), 64)
	if err != nil {
		return run{}, err
	}
	return run{rate, peak, stderr.String()}, nil
}

// peakMemory returns how much memory a process had at the most, in bytes, when it
// has ended. What the system says afterwards counts what this process had when
// it started the other one.
func peakMemory(pid int, ended <-chan struct{}) (peak int64) {
	for {
		select {
		case <-ended:
			return peak
		case <-time.After(50 * time.Millisecond):
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		var kilobytes int64
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); err == nil && ok {
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				peak = kilobytes << 10
			}
		}
	}
}

// stageRates returns how many photos of a folder a second can be decoded, and
// how many captioned, when nothing else is done and all cores are used in the
// way that is fastest.
func stageRates(dir string) (decoding, captioning float64, err error) {
	const most = 200 // of the photos
	names, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		return 0, 0, err
	}
	names = names[:min(len(names), most)]
	files := make([][]byte, len(names))
	for i, name := range names {
		if files[i], err = os.ReadFile(name); err != nil {
			return 0, 0, err
		}
	}
	one, err := openCaptioner(1)
	if err != nil {
		return 0, 0, err
	}
	defer one.Close()
	pictures := make([][]byte, len(files))
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(stdruntime.NumCPU())
	for i, data := range files {
		group.Go(func() error {
			p, err := picture.Decode(data, one.Size())
			pictures[i] = p.Pixels
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	decoding = float64(len(files)) / time.Since(began).Seconds()
	all, err := openCaptioner(stdruntime.NumCPU())
	if err != nil {
		return 0, 0, err
	}
	defer all.Close()
	for _, way := range []struct {
		captioner *captioner.Captioner
		calls     int
	}{{all, 1}, {one, stdruntime.NumCPU()}} {
		for _, batch := range []int{8, 16, 32} {
			seconds, err := secondsOf(way.captioner, way.calls, batch, pictures)
			if err != nil {
				return 0, 0, err
			}
			captioning = max(captioning, float64(batch)/seconds)
		}
	}
	return decoding, captioning, nil
}

// makeLibrary writes different pictures of a size, made of the repository's.
func (b *bench) makeLibrary(ctx context.Context, dir string, n, width, height int) error {
	progress("making %d pictures of %dx%d", n, width, height)
	names, err := samplePhotos("*.jpg")
	if err != nil {
		return err
	}
	args := []string{"testdata/copies.py", dir, fmt.Sprint(n)}
	for i, name := range names {
		source := filepath.Join(b.dir, fmt.Sprintf("source-%d.jpg", i))
		if err := enlarge(name, source, width, height); err != nil {
			return err
		}
		args = append(args, source)
	}
	if out, err := exec.CommandContext(ctx, "python3", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("python3 %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// enlarge writes a photo in another size, with the grain of a sensor over it, so
// that its file is as large as a camera's.
func enlarge(from, to string, width, height int) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	photo, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.BiLinear.Scale(img, img.Rect, photo, photo.Bounds(), draw.Src, nil)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(img.Pix); i += 4 {
		grain := random.IntN(16) - 8
		for c := range 3 {
			img.Pix[i+c] = byte(min(max(int(img.Pix[i+c])+grain, 0), 255))
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 90}); err != nil {
		return err
	}
	return os.WriteFile(to, out.Bytes(), 0o600)
}
