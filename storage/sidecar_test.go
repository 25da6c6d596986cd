package storage

import (
	"reflect"
	"testing"
)

func TestSidecarsAreMergedWithWhatTheFileSays(t *testing.T) {
	file := Metadata{
		Camera: "Canon EOS 40D", Title: "in the file", Description: "told in the file",
		Keywords: []string{"Sea", "boat"}, People: []string{"Anna"}, Rating: 3,
	}
	for name, c := range map[string]struct {
		file     Metadata
		sidecars []Sidecar
		want     Metadata
	}{
		"none": {file, nil, file},
		"one that says nothing of what the file says": {
			file, []Sidecar{{Keywords: []string{"sea", "wind"}, People: []string{"Ben", "ANNA"}}},
			Metadata{
				Camera: "Canon EOS 40D", Title: "in the file", Description: "told in the file",
				Keywords: []string{"Sea", "boat", "wind"}, People: []string{"Anna", "Ben"}, Rating: 3,
			},
		},
		"one that takes the stars away": {file: Metadata{Rating: 3}, sidecars: []Sidecar{{Rating: new(0)}}},
		"several, of which the first counts": {
			file, []Sidecar{
				{Description: "told beside the first", Keywords: []string{"one"}},
				{Title: "beside the second", Description: "told beside the second", Keywords: []string{"two"}, Rating: new(5)},
				{Title: "beside the third", Rating: new(1)},
			},
			Metadata{
				Camera: "Canon EOS 40D", Title: "beside the second", Description: "told beside the first",
				Keywords: []string{"Sea", "boat", "one", "two"}, People: []string{"Anna"}, Rating: 5,
			},
		},
		"of a file that says nothing": {
			sidecars: []Sidecar{{Title: "beside it", People: []string{"Anna"}}},
			want:     Metadata{Title: "beside it", People: []string{"Anna"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.file
			if got.Merge(c.sidecars); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if len(file.Keywords) != 2 || file.Keywords[0] != "Sea" {
				t.Errorf("the file's own keywords became %q", file.Keywords)
			}
		})
	}
}
