package patient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"shoebox/storage"
	"shoebox/storage/patient"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

func TestMain(m *testing.M) { os.Exit(storagetest.Main(m)) }

// askedOnce are the operations that a person at a terminal asks for, who hears
// at once that the database is away; Close needs no answer.
var askedOnce = []string{
	"Close", "EditCaption", "Failures", "FailuresAfter", "FilesByID", "ForgetFolder", "Lag", "PhotosByID", "Recaption",
	"Restamp", "RetryFailures", "SetPaused", "Shown", "UndoEdit",
}

func newStore(t *testing.T) *postgres.Store {
	t.Helper()
	url := storagetest.Server(t)
	if _, _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	store, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// refuse makes the first n calls of each operation fail.
func refuse(n int) func(string, int) storagetest.Fault {
	return func(_ string, before int) storagetest.Fault {
		if before < n {
			return storagetest.Refused
		}
		return storagetest.NoFault
	}
}

func TestEveryOperationOfAWorkerIsRepeatedUntilThereIsAnAnswer(t *testing.T) {
	store := newStore(t)
	if _, err := store.AddFolder(t.Context(), "/photos"); err != nil {
		t.Fatal(err)
	}
	for method := range reflect.TypeFor[storage.Store]().Methods() {
		if slices.Contains(askedOnce, method.Name) {
			continue
		}
		t.Run(method.Name, func(t *testing.T) {
			faulty := &storagetest.Faulty{Store: store, Next: refuse(3)}
			call := reflect.ValueOf(patient.New(faulty, nil)).MethodByName(method.Name)
			args := []reflect.Value{reflect.ValueOf(t.Context())}
			for i := 1; i < call.Type().NumIn(); i++ {
				args = append(args, reflect.Zero(call.Type().In(i)))
			}
			for _, result := range call.Call(args) {
				if err := errorOf(result.Interface()); errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("it gave up: %v", err)
				}
			}
			// A stream of nothing has no element to break at.
			if n := faulty.Calls(method.Name); n != 4 && !strings.Contains(call.Type().String(), "iter.Seq2") {
				t.Errorf("it was asked %d times, want 4: is it missing in patient, in storagetest.Faulty, or should it be in askedOnce?", n)
			}
		})
	}
}

func errorOf(result any) error {
	switch r := result.(type) {
	case error:
		return r
	case iter.Seq2[storage.KnownFile, error]:
		return drain(r)
	case iter.Seq2[storage.Change, error]:
		return drain(r)
	case iter.Seq2[storage.Edit, error]:
		return drain(r)
	default:
		return nil
	}
}

func drain[T any](elements iter.Seq2[T, error]) (failed error) {
	for _, err := range elements {
		failed = err
	}
	return failed
}

func TestAStreamGoesOnWhereItBroke(t *testing.T) {
	store := newStore(t)
	folder, err := store.AddFolder(t.Context(), "/photos")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var files []storage.FileStat
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		files = append(files, storage.FileStat{Path: fmt.Sprint(i)})
	}
	if err := store.ApplyScan(t.Context(), folder.ID, storage.ScanChanges{Upserts: files}); err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]storagetest.Fault{"at the beginning": storagetest.Refused, "in the middle": storagetest.LostAnswer} {
		t.Run(name, func(t *testing.T) {
			faulty := &storagetest.Faulty{Store: store, Next: func(_ string, before int) storagetest.Fault {
				if before < 2 {
					return fault
				}
				return storagetest.NoFault
			}}
			var got []string
			for file, err := range patient.New(faulty, nil).KnownFiles(t.Context(), folder.ID) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, file.Path)
			}
			if !slices.Equal(got, want) || faulty.Calls("KnownFiles") != 3 {
				t.Errorf("streamed %q in %d attempts", got, faulty.Calls("KnownFiles"))
			}
		})
	}
}

// said is what is logged during a test.
func said(t *testing.T) func() []string {
	t.Helper()
	var mu sync.Mutex
	var text bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Split(strings.TrimSpace(text.String()), "\n")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestAnOutageIsSaidOnceHoweverManyWait(t *testing.T) {
	log := said(t)
	const operations = 5
	faulty := &storagetest.Faulty{Store: newStore(t), Next: refuse(4 * operations)}
	var revived atomic.Int32
	store := patient.New(faulty, func(context.Context) error {
		revived.Add(1)
		return nil
	})
	var all sync.WaitGroup
	for range operations {
		all.Go(func() {
			if _, err := store.Folders(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	lines := log()
	if len(lines) != 2 || !strings.Contains(lines[0], "waiting for the database") || !strings.Contains(lines[0], "a fault of the test") ||
		!strings.Contains(lines[1], "no longer waiting") {
		t.Errorf("it says %q", lines)
	}
	if n := revived.Load(); n != 4*operations {
		t.Errorf("the database was revived %d times, want before each of %d repetitions", n, 4*operations)
	}
}

func TestAHiccupIsNotWorthAWord(t *testing.T) {
	log := said(t)
	store := patient.New(&storagetest.Faulty{Store: newStore(t), Next: refuse(1)}, nil)
	if _, err := store.Folders(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := log(); lines[0] != "" {
		t.Errorf("it says %q", lines)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	faulty := &storagetest.Faulty{Store: newStore(t)}
	ctx, stop := context.WithCancel(t.Context())
	faulty.Next = func(_ string, before int) storagetest.Fault {
		if before == 3 {
			stop()
		}
		return storagetest.Refused
	}
	store := patient.New(faulty, nil)
	_, err := store.Folders(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorThatDoesNotPassIsNotRepeated(t *testing.T) {
	faulty := &storagetest.Faulty{Store: newStore(t), Next: refuse(0)}
	if err := patient.New(faulty, nil).EndScan(t.Context(), 12345, storage.ScanEnd{}); !errors.Is(err, storage.ErrUnknownFolder) {
		t.Errorf("got %v", err)
	}
	if n := faulty.Calls("EndScan"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
