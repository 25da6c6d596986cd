package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/indexer"
)

// printProfile shows where the time of a run went: by stage, a photo and in all,
// and how many pictures the model was given at once.
func printProfile(w io.Writer, f indexer.Figures, elapsed time.Duration, threads int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "stage\ta photo\tin all\tphotos\t")
	for _, stage := range f.Stages {
		if stage.Photos > 0 {
			fmt.Fprintf(table, "%s\t%.2f ms\t%.1f s\t%d\t\n", stage.Stage,
				stage.Took.Seconds()*1000/float64(stage.Photos), stage.Took.Seconds(), stage.Photos)
		}
	}
	_ = table.Flush() // as little as any print to standard error
	least := 1
	for _, batch := range f.Batches {
		if batch.Calls > 0 {
			fmt.Fprintf(w, "calls of the model with %s: %d\n", pictures(least, batch.Most), batch.Calls)
		}
		least = batch.Most + 1
	}
	fmt.Fprintf(w, "%.1f s by the clock, %d threads; %.1f s of processor time in this process\n",
		elapsed.Seconds(), threads, processorTime().Seconds())
}

func pictures(least, most int) string {
	if least == most {
		return fmt.Sprintf("%d pictures", most)
	}
	return fmt.Sprintf("%d to %d pictures", least, most)
}

// processorTime is how long all threads of this process have run.
func processorTime() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
