package storage

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestPathsComeBackFromJSON(t *testing.T) {
	cases := []struct {
		name  string
		paths []string
		want  string
	}{
		{"no path is an empty list", nil, `{"path":"","paths":[]}`},
		{"paths that are UTF-8 are plain", []string{"/a", "/é"}, `{"path":"/a","paths":["/a","/é"]}`},
		{"one that is not has its bytes beside it", []string{"/\xff"}, `{"path":"/�","path_b64":"L/8=","paths":["/�"],"paths_b64":["L/8="]}`},
		{"a later one has them in the list alone", []string{"/a", "/\xff"}, `{"path":"/a","paths":["/a","/�"],"paths_b64":["L2E=","L/8="]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(NewJSONPaths(c.paths))
			if err != nil || string(text) != c.want {
				t.Fatalf("got %s, %v", text, err)
			}
			var back JSONPaths
			if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back.Exact(), c.paths) {
				t.Errorf("back come %q, %v", back.Exact(), err)
			}
		})
	}
}
