package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shoebox/search"
	"shoebox/storage"
)

func newExport(s *settings) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print paths, captions and metadata of all photos, as JSON lines or CSV",
		Long: `export prints every photo that a present file shows. As JSON (--format jsonl), a
line is a photo with the fields of "search --json" and more; as CSV, a line is
a file, so that a photo with two copies has two.`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			out := bufio.NewWriter(cmd.OutOrStdout())
			write, err := exporter(format, out)
			if err != nil {
				return err
			}
			for photo, err := range library.Photos(cmd.Context()) {
				if err == nil {
					err = write(photo)
				}
				if err != nil {
					return err
				}
			}
			return out.Flush()
		}),
	}
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or csv")
	return cmd
}

func exporter(format string, out io.Writer) (func(storage.Change) error, error) {
	switch format {
	case "jsonl":
		return func(c storage.Change) error { return exportJSON(out, c) }, nil
	case "csv":
		lines := csv.NewWriter(out)
		return func(c storage.Change) error { return exportCSV(lines, c) }, lines.Write(csvColumns)
	default:
		return nil, &usageError{fmt.Errorf("--format %s: want jsonl or csv", format)}
	}
}

// exportMore is what a line of the export has and one of `search --json` has
// not.
type exportMore struct {
	Model        string  `json:"model,omitempty"`
	Format       string  `json:"format"`
	Damaged      bool    `json:"damaged,omitempty"`
	Make         string  `json:"make,omitempty"`
	Lens         string  `json:"lens,omitempty"`
	ExposureTime float64 `json:"exposure_time,omitempty"` // seconds
	FNumber      float64 `json:"f_number,omitempty"`
	ISO          int     `json:"iso,omitempty"`
	FocalLength  float64 `json:"focal_length,omitempty"` // millimetres
}

func exportJSON(out io.Writer, c storage.Change) error {
	p := c.Photo
	hit, err := json.Marshal(search.NewHit(c))
	if err != nil {
		return err
	}
	more, err := json.Marshal(exportMore{
		p.Model, p.Format, p.Damaged, p.Make, p.Lens,
		storage.Finite(p.ExposureTime), storage.Finite(p.FNumber), p.ISO, storage.Finite(p.FocalLength),
	})
	if err != nil {
		return err
	}
	// One object of two: the fields of the one before those of the other.
	line := bytes.Join([][]byte{bytes.TrimSuffix(hit, []byte("}")), bytes.TrimPrefix(more, []byte("{"))}, []byte(","))
	_, err = out.Write(append(line, '\n'))
	return err
}

var csvColumns = []string{
	"path", "photo", "caption", "edited", "unsure", "score", "taken_at", "camera", "lens", "exposure_time", "f_number",
	"iso", "focal_length", "lat", "lon", "width", "height", "format", "model",
	"title", "description", "keywords", "people", "rating",
}

// exportCSV writes a line for each file. Paths are written as they are, bytes
// that are no UTF-8 too.
func exportCSV(lines *csv.Writer, c storage.Change) error {
	p := c.Photo
	number := func(f float64) string {
		if f == 0 {
			return ""
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	lat, lon := "", ""
	if l := p.Location; l != nil {
		lat, lon = strconv.FormatFloat(l.Lat, 'g', -1, 64), strconv.FormatFloat(l.Lon, 'g', -1, 64)
	}
	for _, path := range c.Paths {
		err := lines.Write([]string{
			path, p.ID.String(), p.Text, strconv.FormatBool(p.Edited), strconv.FormatBool(p.Unsure),
			strconv.FormatFloat(p.Score, 'g', -1, 64), p.Taken.String(), p.Camera, p.Lens, number(p.ExposureTime),
			number(p.FNumber), number(float64(p.ISO)), number(p.FocalLength), lat, lon,
			strconv.Itoa(p.Width), strconv.Itoa(p.Height), p.Format, p.Model,
			p.Title, p.Description, strings.Join(p.Keywords, "; "), strings.Join(p.People, "; "), number(float64(p.Rating)),
		})
		if err != nil {
			return err
		}
	}
	lines.Flush()
	return lines.Error()
}
