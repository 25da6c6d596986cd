package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/cmd/shoebox/runtime"
)

// atLeast is how long a measurement takes, or a batch if that is longer.
const atLeast = 1500 * time.Millisecond

// captioner compares the shipped model with the same in PyTorch, with the way
// that the project began with, and with a network of the size of BLIP-base. All
// take the same pictures, in turn.
func (b *bench) captioner(ctx context.Context) error {
	ours, err := openCaptioner(b.threads)
	if err != nil {
		return err
	}
	defer ours.Close()
	pictures, err := samplePictures(ours.Size())
	if err != nil {
		return err
	}
	rivals, err := b.startRivals(ctx, pictures)
	if err != nil {
		return err
	}
	defer rivals.close()
	shoebox := func(batch int) contender {
		return contender{fmt.Sprintf("shoebox %d", batch), batch, func() (float64, error) { return secondsOf(ours, 1, batch, pictures) }}
	}
	rival := func(way string, batch int) contender {
		return contender{way, batch, func() (float64, error) { return rivals.seconds(way, batch) }}
	}
	var all map[string]measured
	for _, batch := range []int{1, 8, 32} {
		all = inTurn(b.rounds, shoebox(batch), rival("eager", batch), rival("compiled", batch))
		goal := ""
		if batch == 32 {
			goal = "at least 2 times faster"
		}
		what := fmt.Sprintf("captions, %d at a time, beam as shipped, threads: %d", batch, b.threads)
		b.add(compared(what, all[shoebox(batch).name], "PyTorch eager", all["eager"], goal))
		b.add(compared(what, all[shoebox(batch).name], "torch.compile", all["compiled"], ""))
	}
	greedy := inTurn(b.rounds, rival("greedy", 32), rival("seed", 8))
	b.add(compared("captions, 32 at a time, greedy", greedy["greedy"], "the seed's way", greedy["seed"], "at least 8 times faster"))
	large := inTurn(1, rival("blip", 32))
	b.add(compared("captions, 32 at a time, beam as shipped", all[shoebox(32).name], "a network of BLIP-base's size, greedy", large["blip"],
		"at least 30 times faster"))
	return nil
}

// contender is a way to caption so many pictures at a time.
type contender struct {
	name    string
	batch   int
	seconds func() (float64, error) // of a batch
}

// measured is how many seconds a caption takes, or why that is not known.
type measured struct {
	seconds float64
	err     error
}

func (m measured) String() string {
	if m.err != nil {
		why, _, _ := strings.Cut(m.err.Error(), "\n")
		return "not measured: " + why
	}
	return fmt.Sprintf("%.1f/s", 1/m.seconds)
}

// inTurn measures one after the other, some rounds, and takes the medians.
func inTurn(rounds int, contenders ...contender) map[string]measured {
	all := make(map[string][]float64)
	took := make(map[string]measured)
	for range rounds {
		for _, c := range contenders {
			if took[c.name].err != nil {
				continue
			}
			seconds, err := c.seconds()
			all[c.name] = append(all[c.name], seconds/float64(c.batch))
			took[c.name] = measured{median(all[c.name]), err}
		}
	}
	return took
}

func compared(what string, ours measured, rival string, theirs measured, goal string) row {
	r := row{what, ours.String(), rival + ": " + theirs.String(), "", goal}
	if ours.err == nil && theirs.err == nil {
		r.ratio = faster(theirs.seconds, ours.seconds)
	}
	return r
}

func openCaptioner(threads int) (*captioner.Captioner, error) {
	found, _ := runtime.Find("")
	if found.ONNXRuntime == "" {
		return nil, errors.New("there is no ONNX Runtime: `shoebox setup` fetches it, and SHOEBOX_RUNTIME_DIR says where it is")
	}
	return captioner.Open(captioner.Config{Library: found.ONNXRuntime, Threads: threads})
}

// samplePictures are the photos of the repository as the model sees them.
func samplePictures(size picture.Size) (pictures [][]byte, err error) {
	names, err := samplePhotos("*.*g")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		decoded, err := picture.Decode(data, size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pictures = append(pictures, decoded.Pixels)
	}
	return pictures, nil
}

// samplePhotos are the paths of the photos of the repository.
func samplePhotos(pattern string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join("testdata", "photos", pattern))
	if err == nil && len(names) == 0 {
		err = errors.New("testdata/photos is not there: run this in the root of the repository")
	}
	slices.Sort(names)
	return names, err
}

// secondsOf is what a batch takes when some calls of the model, each with a
// batch, run side by side. The first is not counted.
func secondsOf(c *captioner.Captioner, calls, batch int, pictures [][]byte) (float64, error) {
	given := make([][]byte, batch)
	for i := range given {
		given[i] = pictures[i%len(pictures)]
	}
	together := func() error {
		var group errgroup.Group
		for range calls {
			group.Go(func() error {
				_, err := c.Describe(given)
				return err
			})
		}
		return group.Wait()
	}
	if err := together(); err != nil {
		return 0, err
	}
	began, runs := time.Now(), 0
	for time.Since(began) < atLeast || runs == 0 {
		if err := together(); err != nil {
			return 0, err
		}
		runs++
	}
	return time.Since(began).Seconds() / float64(runs*calls), nil
}

// rivals is rivals.py, which measures a way each time it is asked.
type rivals struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (b *bench) startRivals(ctx context.Context, pictures [][]byte) (*rivals, error) {
	pixels := filepath.Join(b.dir, "pixels")
	if err := os.WriteFile(pixels, slices.Concat(pictures...), 0o600); err != nil {
		return nil, err
	}
	r := &rivals{cmd: exec.CommandContext(ctx, b.python, "cmd/bench/rivals.py", "captioner/model", pixels, fmt.Sprint(b.threads))}
	r.cmd.Env = append(os.Environ(), "PYTHONPATH=train")
	r.cmd.Stderr = os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.in, r.out = in, bufio.NewScanner(out)
	return r, r.cmd.Start()
}

func (r *rivals) seconds(name string, batch int) (float64, error) {
	question, err := json.Marshal(map[string]any{"way": name, "batch": batch})
	if err != nil {
		return 0, err
	}
	if _, err := r.in.Write(append(question, '\n')); err != nil {
		return 0, fmt.Errorf("cmd/bench/rivals.py has ended: %w", err)
	}
	if !r.out.Scan() {
		return 0, errors.Join(errors.New("cmd/bench/rivals.py has ended; it needs train/requirements.txt and cmd/bench/requirements.txt"), r.out.Err())
	}
	var answer struct {
		Seconds float64
		Error   string
	}
	if err := json.Unmarshal(r.out.Bytes(), &answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, errors.New(answer.Error)
	}
	return answer.Seconds, nil
}

func (r *rivals) close() {
	_ = r.in.Close()
	_ = r.cmd.Wait() // what it had to say, it said
}
