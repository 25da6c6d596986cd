package postgres_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// notSaved are the tables that a backup does not hold, and why.
var notSaved = map[string]string{
	"goose_db_version": "says which migrations a database has had",
	"meta":             "names one database's contents; a restore renews it",
	"file_counts":      "sums of files",
	"photo_counts":     "sums of photos",
	"recent_work":      "of the last minutes",
}

// lived is a database in which everything that can be in one is.
func lived(t *testing.T) (url string) {
	t.Helper()
	url = migrated(t)
	fill(t, url, 30_000) // several parts
	see(t, url)
	store := openStore(t, url)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	folder, err := store.AddFolder(t.Context(), "/odd \xff\n,\"folder")
	must(err)
	must(store.RecordModel(t.Context(), "second", `a "model", renamed`, storage.Vocabulary{Smallest: 1e-4, Words: []storage.PictureWord{{Stem: "dog", Prior: 1.0 / 3, Forms: []string{"dog"}}}}))
	var files []storage.FileStat
	for i := range 10 {
		files = append(files, storage.FileStat{Path: fmt.Sprintf("\xfe,\"%d\n\\.\n.jpg", i), Size: 1 << 40, ModTime: -1,
			Sidecar: storage.SidecarStat{Size: 1 << 40, ModTime: -1}})
	}
	must(store.ApplyScan(t.Context(), folder.ID, storage.ScanChanges{Upserts: files}))
	owner := storage.Owner{Machine: "desk", PID: 1}
	claims, err := store.Claim(t.Context(), owner, []int64{folder.ID}, 8, time.Hour)
	must(err)
	offset := -570
	photo := func(n int, caption string) *storage.Photo {
		return &storage.Photo{
			ID: sha256.Sum256(fmt.Append(nil, "odd", n)), Format: "jpeg", Width: 1, Height: 2, Damaged: true,
			Metadata: storage.Metadata{
				Taken:  storage.Taken{Clock: time.Date(1899, 12, 31, 23, 59, 59, 123456000, time.UTC), Offset: &offset},
				Camera: "Ca,\"m\"\n", ExposureTime: 1.0 / 3, ISO: 4_000_000_000, Location: &storage.Location{Lat: -0.1, Lon: 1e-300},
				Title: "T,\"\n", Keywords: []string{"a,\"b", "\n"}, Rating: 5,
			},
			Caption: storage.Caption{Text: caption, Score: -1.0 / 3, Unsure: true, Model: "second"},
			Seen: storage.Seen{
				Others:  []storage.OtherCaption{{Text: "Or, \"so\"\n\\.", Likelihood: -1.0 / 3}},
				Words:   []byte("\x00\xff\n"),
				Classes: []storage.ClassShare{{Class: 999, Probability: 1}},
				Model:   "second",
			},
		}
	}
	result := func(i int, p *storage.Photo) storage.Result {
		return storage.Result{Claim: claims[i], PhotoID: p.ID, Photo: p}
	}
	committed, err := store.Commit(t.Context(), owner, []storage.Result{
		result(0, photo(0, "")),
		result(1, photo(1, "\\.\n\\.\n\\N \"quoted\", and 犬 \\")),
		result(2, photo(2, "By the model.")),
		{Claim: claims[3], Failure: &storage.Failure{State: storage.Failed, Code: "truncated", Text: "x\n\\.\ny"}},
		{Claim: claims[4], Failure: &storage.Failure{State: storage.Unsupported, Code: "heic", DecoderVersion: 3}},
		{Claim: claims[5], PhotoID: photo(1, "").ID, Sidecar: &storage.Sidecar{Title: "S,\"\n\\.", People: []string{"犬"}, Rating: new(0)}},
	})
	must(err)
	if committed != 6 {
		t.Fatalf("committed %d of 6", committed)
	}
	files[5].Sidecar.Size++ // only the sidecar is to be read again
	must(store.ApplyScan(t.Context(), folder.ID, storage.ScanChanges{Upserts: files[5:6]}))
	must(store.EditCaption(t.Context(), photo(2, "").ID, "By\nme, \"the\" person."))
	must(store.ApplyScan(t.Context(), folder.ID, storage.ScanChanges{Missing: []int64{claims[1].FileID}}))
	must(store.EndScan(t.Context(), folder.ID, storage.ScanEnd{}))
	return url
}

func TestABackupRestoresEverythingAsItWas(t *testing.T) {
	from, to := lived(t), migrated(t)
	into := openStore(t, to)
	nothing, err := into.Changes(t.Context(), storage.Cursor{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := tables(t, from)
	var file bytes.Buffer
	saved, err := openStore(t, from).Backup(t.Context(), &file)
	if err != nil {
		t.Fatal(err)
	}
	if saved.Photos != 30_003 || saved.Files != 30_010 || saved.Edits != 1 || saved.MadeAt.IsZero() {
		t.Errorf("saved %+v", saved)
	}
	restored, err := postgres.Restore(t.Context(), to, bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !restored.MadeAt.Equal(saved.MadeAt) || restored.Photos != saved.Photos || restored.Files != saved.Files || restored.Edits != saved.Edits {
		t.Errorf("restored %+v, saved %+v", restored, saved)
	}
	after := tables(t, to)
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))) {
		t.Errorf("tables %q, then %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
	for name, rows := range before {
		if why, other := notSaved[name]; other {
			t.Logf("%s is not compared: it %s", name, why)
			continue
		}
		compare(t, name, rows, after[name])
	}
	for what, sums := range map[string]string{
		"counts of files": `
			SELECT folder_id, CASE state WHEN 'leased' THEN 'pending' ELSE state END, present, error_code, retry, sum(n)::bigint
			FROM file_counts GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5`,
		"counts of photos": `
			SELECT model_id, edited, unsure, sum(n)::bigint FROM photo_counts GROUP BY 1, 2, 3 HAVING sum(n) <> 0 ORDER BY 1, 2, 3`,
	} {
		compare(t, what, texts(t, from, sums), texts(t, to, sums))
	}
	// Readers of the feed start again, and new rows do not collide with old.
	changes, err := into.Changes(t.Context(), nothing.Next, 100_000)
	if err != nil || !changes.Restart || len(changes.Items) != 30_003 {
		t.Errorf("the feed: restart %v, %d photos, %v", changes.Restart, len(changes.Items), err)
	}
	folder, err := into.AddFolder(t.Context(), "/new")
	if err == nil {
		err = into.ApplyScan(t.Context(), folder.ID, storage.ScanChanges{Upserts: []storage.FileStat{{Path: "a"}}})
	}
	if err == nil {
		err = into.RecordModel(t.Context(), "third", "third", storage.Vocabulary{})
	}
	if err != nil {
		t.Errorf("work goes on: %v", err)
	}
}

// tables are the rows of all tables as text, by table; what a restore changes
// on purpose is taken out.
func tables(t *testing.T, url string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, name := range texts(t, url, `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`) {
		row := `to_jsonb(t)`
		switch name {
		case "photos":
			row += ` - 'changed_in'`
		case "files":
			row = `CASE state WHEN 'leased' THEN to_jsonb(t) || '{"state": "pending", "lease_owner": null, "lease_ends": null}' ELSE to_jsonb(t) END`
		}
		all[name] = texts(t, url, `SELECT (`+row+`)::text FROM `+pgx.Identifier{name}.Sanitize()+` t ORDER BY 1`)
	}
	return all
}

func texts(t *testing.T, url, sql string) []string {
	t.Helper()
	rows, err := connect(t, url).Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values...), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("%s:\n got %s\nwant %s", what, got[i], want[i])
			return
		}
	}
}

func TestWhatCannotBeRestoredIsRefusedAndChangesNothing(t *testing.T) {
	from := migrated(t)
	fill(t, from, 100)
	var file bytes.Buffer
	if _, err := openStore(t, from).Backup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, test := range map[string]struct {
		file []byte
		says string
	}{
		"an empty file":          {nil, "not a backup"},
		"a photo":                {[]byte("\xff\xd8\xff\xe0"), "not a backup"},
		"another archive":        {repack(t, whole, func(name string, data []byte) (string, []byte) { return "a/" + name, data }), "not a backup"},
		"cut in half":            {whole[:len(whole)/2], "cut off"},
		"cut at the end":         {whole[:len(whole)-700], "cut off"},
		"a flipped bit":          {flipped, ""},
		"a row changed":          {rewrite(t, whole, "photos/000001.csv", "number 7.", "number 8."), "damaged"},
		"a row less":             {rewrite(t, whole, "sums.json", `"rows": 100`, `"rows": 99`), "are not the 99"},
		"of a newer shoebox":     {rewrite(t, whole, "shoebox.json", `"schema": `, `"schema": 9`), "newer"},
		"of another format":      {rewrite(t, whole, "shoebox.json", `"format": 1`, `"format": 2`), "format 2"},
		"another table in it":    {rewrite(t, whole, "shoebox.json", `"folders"`, `"meta"`), "meta"},
		"another file in it":     {repack(t, whole, func(name string, data []byte) (string, []byte) { return strings.Replace(name, "edits/", "x/", 1), data }), "x/000001.csv"},
		"a column of another":    {rewrite(t, whole, "shoebox.json", `"caption_unsure"`, `"is_admin"`), "is_admin"},
		"a value that is no row": {rewrite(t, whole, "photos/000001.csv", ",jpeg,", ",jpeg,x,"), "photos/000001.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			url := migrated(t)
			before := tables(t, url)
			_, err := postgres.Restore(t.Context(), url, bytes.NewReader(test.file))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
			if name == "of a newer shoebox" && !errors.Is(err, storage.ErrSchemaNewer) {
				t.Errorf("%v is not ErrSchemaNewer", err)
			}
			after := tables(t, url)
			delete(before, "goose_db_version") // when it was migrated
			for table, rows := range before {
				if !slices.Equal(after[table], rows) {
					t.Errorf("%s holds %q, before %q", table, after[table], rows)
				}
			}
		})
	}
	t.Run("into a database that holds something", func(t *testing.T) {
		url := migrated(t)
		fill(t, url, 3)
		before := tables(t, url)
		if _, err := postgres.Restore(t.Context(), url, bytes.NewReader(whole)); !errors.Is(err, postgres.ErrNotEmpty) {
			t.Errorf("got %v", err)
		}
		after := tables(t, url)
		for table, rows := range before {
			if !slices.Equal(after[table], rows) {
				t.Errorf("%s holds %q, before %q", table, after[table], rows)
			}
		}
	})
}

// repack changes the files of a backup.
func repack(t *testing.T, file []byte, change func(name string, data []byte) (string, []byte)) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	outZip := gzip.NewWriter(&out)
	outTar := tar.NewWriter(outZip)
	for in := tar.NewReader(zip); ; {
		entry, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		name, data := change(entry.Name, data)
		if err := outTar.WriteHeader(&tar.Header{Name: name, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := outTar.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(outTar.Close(), outZip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rewrite(t *testing.T, file []byte, name, from, to string) []byte {
	t.Helper()
	done := false
	out := repack(t, file, func(n string, data []byte) (string, []byte) {
		if n != name || !bytes.Contains(data, []byte(from)) {
			return n, data
		}
		done = true
		return n, bytes.Replace(data, []byte(from), []byte(to), 1)
	})
	if !done {
		t.Fatalf("there is no %q in %s", from, name)
	}
	return out
}

func TestABackupOfAnOlderShoeboxIsBroughtToThisSchema(t *testing.T) {
	const first = 1
	id := fmt.Sprintf(`\x%064x`, 7)
	old := map[string]string{
		"models/000001.csv":  "id,hash,name,first_seen\n1,m,first,2026-01-02 03:04:05+00\n",
		"folders/000001.csv": "id,path,present,scanned_at\n5,\\x2f70,t,\n",
		"photos/000001.csv": "id,pixels,format,width,height,damaged,caption,model_id,added_at\n" +
			id + "," + id + ",jpeg,4,3,f,A dog.,1,2026-01-02 03:04:05+00\n",
		"files/000001.csv": "id,folder_id,path,size,mtime_ns,present,state,photo_id\n9,5,\\x61,1,2,t,done," + id + "\n",
	}
	for name, into := range map[string]func(t *testing.T) string{
		"into a new database":             func(t *testing.T) string { return storagetest.Server(t) },
		"into one of this version, empty": func(t *testing.T) string { return migrated(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := into(t)
			if _, err := postgres.Restore(t.Context(), url, bytes.NewReader(pack(t, first, old))); err != nil {
				t.Fatal(err)
			}
			store := openStore(t, url) // refuses any schema but this version's
			changes := read(t, store, storage.Cursor{})
			if len(changes.Items) != 1 || changes.Items[0].Photo.Text != "A dog." || changes.Items[0].Paths[0] != "/p/a" {
				t.Errorf("restored %+v", changes.Items)
			}
			if counts, err := store.CountFiles(t.Context(), nil); err != nil || counts.Done != 1 {
				t.Errorf("counts %+v, %v", counts, err)
			}
		})
	}
}

// pack writes a backup by hand, as its description says it is.
func pack(t *testing.T, schema int, files map[string]string) []byte {
	t.Helper()
	order := []string{"models", "folders", "photos", "files"}
	var tables, sums []map[string]any
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	write := func(name string, data []byte) {
		t.Helper()
		err := archive.WriteHeader(&tar.Header{Name: name, Size: int64(len(data))})
		if err == nil {
			_, err = archive.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	object := func(name string, fields map[string]any) {
		t.Helper()
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		write(name, text)
	}
	for _, table := range order {
		text := files[table+"/000001.csv"]
		names, rows, _ := strings.Cut(text, "\n")
		tables = append(tables, map[string]any{"name": table, "columns": strings.Split(names, ",")})
		sum := sha256.Sum256([]byte(text))
		sums = append(sums, map[string]any{"name": table, "rows": strings.Count(rows, "\n"), "sha256": hex.EncodeToString(sum[:])})
	}
	object("shoebox.json", map[string]any{"format": 1, "schema": schema, "made_at": time.Now(), "tables": tables})
	for _, table := range order {
		write(table+"/000001.csv", []byte(files[table+"/000001.csv"]))
	}
	object("sums.json", map[string]any{"tables": sums})
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
