package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/storage"
)

func newCaption(s *settings) *cobra.Command {
	var model modelFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "caption FILE...",
		Short: "Caption files and store nothing (- reads standard input)",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := openCaptioner(cmd.Context(), s, model, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer c.Close()
			job := captionJob{captioner: c, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(),
				json: asJSON, memory: int64(model.memory)}
			return job.run(cmd.Context(), files)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	model.register(cmd)
	return cmd
}

// captionLine is a line of `caption --json`.
type captionLine struct {
	Path    string  `json:"path"`
	PathB64 []byte  `json:"path_b64,omitempty"`
	Caption string  `json:"caption"`
	Score   float64 `json:"score"`
	Unsure  bool    `json:"unsure"`
	Damaged bool    `json:"damaged,omitempty"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	// Others are the captions that came next.
	Others []otherCaption `json:"others"`
	// LooksLike holds the words that tell most about the picture, also those
	// that no caption has.
	LooksLike []likelyWord `json:"looks_like"`
}

type otherCaption struct {
	Text       string  `json:"text"`
	Likelihood float64 `json:"likelihood"` // log-probability, nats
}

type likelyWord struct {
	Word        string  `json:"word"`
	Probability float64 `json:"probability"`
}

// looksLike is how many words a line of `caption --json` holds.
const looksLike = 5

func (l *captionLine) describe(c *captioner.Captioner, d captioner.Description) {
	l.Caption, l.Score, l.Unsure = d.Caption.Text, d.Caption.Score, d.Caption.Unsure
	l.Others, l.LooksLike = []otherCaption{}, []likelyWord{} // [] and never null
	for _, other := range d.Seen.Others {
		l.Others = append(l.Others, otherCaption(other))
	}
	for _, likely := range c.LooksLike(d, looksLike) {
		l.LooksLike = append(l.LooksLike, likelyWord(likely))
	}
}

type captionJob struct {
	captioner *captioner.Captioner
	in        io.Reader
	out, err  io.Writer
	json      bool
	memory    int64 // bytes that decoding a file may take
	done      int
	failed    int
}

// run captions the files a batch at a time, in their order.
func (j *captionJob) run(ctx context.Context, files []string) error {
	for len(files) > 0 && ctx.Err() == nil {
		n := min(len(files), captioner.BatchSize)
		if err := j.batch(files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case j.failed > 0 && j.done == 0:
		return fmt.Errorf("no file could be captioned")
	case j.failed > 0:
		return &someFailedError{fmt.Sprintf("%d of %d files failed", j.failed, j.failed+j.done)}
	}
	return nil
}

func (j *captionJob) batch(files []string) error {
	var lines []captionLine
	var pixels [][]byte
	for _, file := range files {
		pic, err := j.open(file)
		if err != nil {
			j.failed++
			fmt.Fprintf(j.err, "shoebox: %s: %v\n", printable(file), err)
			continue
		}
		path, exact := storage.JSONPath(file)
		lines = append(lines, captionLine{Path: path, PathB64: exact, Damaged: pic.Damaged, Width: pic.Width, Height: pic.Height})
		pixels = append(pixels, pic.Pixels)
	}
	if len(lines) == 0 {
		return nil
	}
	descriptions, err := j.captioner.Describe(pixels)
	if err != nil {
		return err
	}
	for i, d := range descriptions {
		lines[i].describe(j.captioner, d)
		if err := j.print(lines[i]); err != nil {
			return err
		}
	}
	j.done += len(lines)
	return nil
}

func (j *captionJob) open(name string) (picture.Picture, error) {
	in := j.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return picture.Picture{}, cause(err)
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, picture.MaxFileSize+1))
	if err != nil {
		return picture.Picture{}, cause(err)
	}
	if len(data) > picture.MaxFileSize {
		return picture.Picture{}, fmt.Errorf("larger than the %d MB that a file may have", picture.MaxFileSize>>20)
	}
	need, err := picture.EstimateMemory(data, j.captioner.Size())
	if err != nil {
		return picture.Picture{}, err
	}
	if need > j.memory {
		return picture.Picture{}, fmt.Errorf("decoding takes %d MB of memory: give --memory %dM or more", need>>20, need>>20+1)
	}
	return picture.Decode(data, j.captioner.Size())
}

func (j *captionJob) print(line captionLine) error {
	if j.json {
		return printJSON(j.out, line)
	}
	notes := ""
	if line.Unsure {
		notes += " (unsure)"
	}
	if line.Damaged {
		notes += " (damaged file)"
	}
	_, err := fmt.Fprintf(j.out, "%s: %s%s\n", printable(line.Path), line.Caption, notes)
	return err
}
