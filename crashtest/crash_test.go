// Package crashtest kills shoebox at random moments while its photos change, and
// compares in the end what is on disk, in Postgres and in search.
//
// It runs the program that users run, on a folder of its own, and looks at the
// outcome with its own SQL and its own walk: nothing of shoebox compares, except
// `shoebox verify`, which has to agree. How often the model was asked is counted
// below shoebox, by a library that stands in for ONNX Runtime's (counter). Every
// choice comes from a seed that is printed; the moments are the machine's.
//
// The short form runs with all tests; `make crashtest` kills hundreds of times.
package crashtest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

var (
	kills   = flag.Int("kills", 4, "how many `times` to kill something")
	workers = flag.Int("workers", 2, "how many `processes` caption at once")
	seed    = flag.Uint64("seed", 0, "the `number` that all choices come from (default: another one each time)")
)

const (
	// inHand is how many files a worker holds at most, four batches: what may
	// have to be captioned again when it is killed.
	inHand = 4 * 32
	// pause is how long the longest pause between two kills is.
	pause = 3 * time.Second
	// settleLimit is how long everything may take to be in order again.
	settleLimit = 3 * time.Minute
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

func TestKilledAtAnyMomentNothingIsLostWrongOrStuck(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./crashtest -v -kills %d -workers %d -seed %d", *kills, *workers, *seed)
	model := countCalls(t)
	dir := newDir(t)
	photos := newPhotos(t, dir, rand.New(rand.NewPCG(*seed, 0)))
	fleet := newFleet(t, dir, model, rand.New(rand.NewPCG(*seed, 1)))
	database := &database{dir: fleet.postgres()}
	people := newPeople(database, photos, rand.New(rand.NewPCG(*seed, 2)))

	fleet.start(photos.roots)
	busy, stop := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	changing.Go(func() { photos.change(busy) })
	changing.Go(func() { people.edit(busy) })
	moments := rand.New(rand.NewPCG(*seed, 3))
	for n := 0; n < *kills; {
		time.Sleep(time.Duration(moments.Int64N(int64(pause))))
		if !fleet.kill() {
			continue // nobody was alive
		}
		if n++; n%50 == 0 {
			t.Logf("%s: %v", time.Now().Format(time.TimeOnly), fleet.killed)
		}
	}
	stop()
	changing.Wait()

	began := time.Now()
	check := &check{fleet: fleet, database: database, photos: photos, people: people}
	check.settle(t, settleLimit)
	t.Logf("in order again after %s", time.Since(began).Round(time.Second))
	calls := model.calls(t)
	checkCalls(t, calls, photos, fleet)
	// What nobody but Postgres is told of comes to search, too.
	people.editOne(t)
	check.settle(t, settleLimit)
	// Without a kill, the same workers caption nothing twice.
	fresh := photos.card(40)
	check.settle(t, settleLimit)
	for _, c := range fresh {
		if n := model.calls(t).pictures[c.seen]; n != 1 {
			t.Errorf("without a kill the model was asked %d times for the same photo", n)
		}
	}

	fleet.stop()
	fleet.checkGone()
	fleet.checkVerify(photos.roots)
	for _, end := range fleet.ends {
		t.Errorf("ended by itself: %s", end)
	}
	t.Logf("killed: %v; %d workers ended because the server was killed while they started", fleet.killed, fleet.outages)
	t.Logf("changes: %v, %d captions edited", photos.changes, len(people.edits))
}

// checkCalls compares how often the model was asked with how often it may have
// been: once for each picture, and again for what a worker had in hand when it
// was killed.
func checkCalls(t *testing.T, calls calls, photos *photos, fleet *fleet) {
	t.Helper()
	asked, again, unknown := 0, 0, 0
	for hash, n := range calls.pictures {
		if photos.shown[hash] {
			asked += n
			again += n - 1
		} else {
			unknown += n
		}
	}
	deaths := fleet.deaths()
	t.Logf("the model was asked for %d captions of %d pictures, %d of them again after %d workers were killed (%.1f each, at most %d), and for %d of half files; it was loaded %d times",
		asked, len(photos.shown), again, deaths, float64(again)/float64(max(deaths, 1)), inHand, unknown, calls.loads)
	if most := len(photos.shown) + deaths*inHand; asked > most {
		t.Errorf("the model was asked for %d captions, at most %d can be explained", asked, most)
	}
	if unknown > photos.halves {
		t.Errorf("the model saw %d pictures that nobody made, and only %d times there was half a file", unknown, photos.halves)
	}
}

// newDir is a folder that the private database's user can enter, with a name
// short enough for a socket's address.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crashtest-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			fmt.Println("left for a look:", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
