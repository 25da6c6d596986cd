package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	"shoebox/search"
	"shoebox/storage"
)

const (
	// documentPage is how many photos are read of the index at a time.
	documentPage = 1000
	// atATime is how many photos that seem to differ are looked at again
	// together.
	atATime = 500
)

// search compares what storage would have search show with what it shows. Both
// come in the order of the photos' IDs.
func (v *Verifier) search(ctx context.Context) error {
	if err := v.Index.Usable(ctx); err != nil {
		if empty, err := v.nothingToShow(ctx); err != nil || empty {
			return err
		}
		d := Difference{Kind: SearchUnusable, Detail: err.Error()}
		if !v.Repair {
			return v.Report(d)
		}
		d.Mended = "built again"
		if err := v.Index.Finish(ctx); err != nil {
			return err
		}
		return v.Report(d)
	}
	// What search has not taken over yet is no difference.
	if err := v.Index.Finish(ctx); err != nil {
		return err
	}
	photos, stop := iter.Pull2(v.Store.Photos(ctx))
	defer stop()
	documents, stopDocuments := iter.Pull2(v.documents(ctx))
	defer stopDocuments()
	m := searchMerge{verifier: v, photos: photos, documents: documents}
	return m.run(ctx)
}

// nothingToShow reports whether search may well be missing.
func (v *Verifier) nothingToShow(ctx context.Context) (bool, error) {
	for _, err := range v.Store.Photos(ctx) {
		return false, err
	}
	return true, nil
}

// documents streams all that the index holds.
func (v *Verifier) documents(ctx context.Context) iter.Seq2[search.Hit, error] {
	return func(yield func(search.Hit, error) bool) {
		for after := ""; ; {
			page, err := v.Index.Documents(ctx, after, documentPage)
			if err != nil {
				yield(search.Hit{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, hit := range page {
				if !yield(hit, nil) {
					return
				}
			}
			after = page[len(page)-1].Photo
		}
	}
}

// searchMerge goes through both sides in step.
type searchMerge struct {
	verifier  *Verifier
	photos    func() (storage.Change, error, bool)
	documents func() (search.Hit, error, bool)
	suspects  []string // photos that seem to differ
}

func (m *searchMerge) run(ctx context.Context) error {
	photo, has, err := next(m.photos)
	if err != nil {
		return err
	}
	document, holds, err := next(m.documents)
	if err != nil {
		return err
	}
	for has || holds {
		id := photo.Photo.ID.String()
		switch {
		case has && holds && id == document.Photo:
			if differ(search.NewHit(photo), document) != "" {
				m.suspects = append(m.suspects, id)
			}
			if photo, has, err = next(m.photos); err == nil {
				document, holds, err = next(m.documents)
			}
		case !holds || has && id < document.Photo:
			m.suspects = append(m.suspects, id)
			photo, has, err = next(m.photos)
		default:
			m.suspects = append(m.suspects, document.Photo)
			document, holds, err = next(m.documents)
		}
		if err == nil && len(m.suspects) >= atATime {
			err = m.examine(ctx)
		}
		if err != nil {
			return err
		}
	}
	return m.examine(ctx)
}

// next is the next element of a stream, if there is one.
func next[T any](pull func() (T, error, bool)) (one T, there bool, err error) {
	one, err, there = pull()
	return one, there && err == nil, err
}

// examine looks at the suspects again, now that search has taken over what has
// changed while both sides were read, reports those that differ still, and
// mends them if asked to.
func (m *searchMerge) examine(ctx context.Context) error {
	if len(m.suspects) == 0 {
		return nil
	}
	suspects := m.suspects
	m.suspects = nil
	wrong, err := m.verifier.compare(ctx, suspects)
	if err != nil || len(wrong) == 0 {
		return err
	}
	if m.verifier.Repair {
		if err := m.verifier.mend(ctx, wrong); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		if err := m.verifier.Report(wrong[id]); err != nil {
			return err
		}
	}
	return nil
}

// compare looks at single photos and returns how they differ.
func (v *Verifier) compare(ctx context.Context, photos []string) (map[string]Difference, error) {
	if err := v.Index.Finish(ctx); err != nil {
		return nil, err
	}
	known, err := v.Store.PhotosByID(ctx, parse(photos))
	if err != nil {
		return nil, err
	}
	want := make(map[string]search.Hit)
	for _, c := range known {
		want[c.Photo.ID.String()] = search.NewHit(c)
	}
	wrong := make(map[string]Difference)
	for _, id := range photos {
		// The first document behind the ID without its last digit.
		found, err := v.Index.Documents(ctx, id[:max(0, len(id)-1)], 1)
		if err != nil {
			return nil, err
		}
		hit, should := want[id]
		holds := len(found) == 1 && found[0].Photo == id
		d := Difference{Photo: id}
		switch {
		case should && !holds:
			d.Kind = NotInSearch
		case holds && !should:
			d.Kind, hit = OnlyInSearch, found[0]
		case should && differ(hit, found[0]) != "":
			d.Kind, d.Detail = OtherInSearch, differ(hit, found[0])
		default:
			continue
		}
		if len(hit.Paths) > 0 {
			d.Path = hit.Paths[0]
		}
		wrong[id] = d
	}
	return wrong, nil
}

// mend brings search in line with storage, and notes for which of the
// differences that has worked.
func (v *Verifier) mend(ctx context.Context, wrong map[string]Difference) error {
	var again, away []string
	for id, d := range wrong {
		if d.Kind == OnlyInSearch {
			away = append(away, id)
		} else {
			again = append(again, id)
		}
	}
	if err := v.Store.Restamp(ctx, parse(again)); err != nil {
		return err
	}
	if len(away) > 0 {
		if err := v.Index.Remove(ctx, away); err != nil {
			return err
		}
	}
	still, err := v.compare(ctx, slices.Collect(maps.Keys(wrong)))
	if err != nil {
		return err
	}
	for id, d := range wrong {
		if _, differs := still[id]; differs {
			continue
		}
		d.Mended = "brought to search again"
		if d.Kind == OnlyInSearch {
			d.Mended = "taken out of search"
		}
		wrong[id] = d
	}
	return nil
}

// parse drops what is no photo's ID: nothing that storage knows is called so.
func parse(photos []string) (ids []storage.PhotoID) {
	for _, text := range photos {
		if id, err := storage.ParsePhotoID(text); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// differ says what is not the same about a photo; empty: nothing is.
func differ(want, got search.Hit) string {
	if bytes.Equal(inJSON(want), inJSON(got)) {
		return ""
	}
	var what []string
	for _, part := range []struct {
		name string
		same bool
	}{
		{"caption", want.Caption == got.Caption},
		{"paths", slices.Equal(want.Paths, got.Paths)},
		{"date", want.TakenAt == got.TakenAt},
	} {
		if !part.same {
			what = append(what, part.name)
		}
	}
	return cmp.Or(strings.Join(what, ", "), "metadata")
}

func inJSON(hit search.Hit) []byte {
	text, err := json.Marshal(hit)
	if err != nil {
		return nil // NewHit makes none that JSON cannot hold
	}
	return text
}
