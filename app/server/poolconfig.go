package server

// PoolConfig configures the work that runs outside the loops. Workers and Queue are for app.Offload.
type PoolConfig struct {
	// Workers is the number of jobs that run at the same time; 0 means 256.
	Workers int
	// Queue is the number of jobs that may wait; 0 means 1024, a negative number none. Further jobs fail with
	// app.ErrPoolFull.
	Queue int
	// FileWorkers and FileQueue are the same for package files, whose jobs have places of their own, so that a slow disk
	// does not keep computations waiting, nor these the disk. 0 means 128 and 1024.
	FileWorkers, FileQueue int
	// Calls is the number of calls of app.Go that run at the same time, each in a goroutine of its own; 0 means 10,000.
	// A call that waits takes about 8 KiB besides what it keeps. Further calls fail with app.ErrPoolFull.
	Calls int
}

func (c PoolConfig) withDefaults() PoolConfig {
	if c.Workers <= 0 {
		c.Workers = 256
	}
	if c.FileWorkers <= 0 {
		c.FileWorkers = 128
	}
	if c.Calls <= 0 {
		c.Calls = 10_000
	}
	switch {
	case c.Queue == 0:
		c.Queue = 1024
	case c.Queue < 0:
		c.Queue = 0
	}
	return c
}

// forFiles returns the configuration of the pool for files.
func (c PoolConfig) forFiles() PoolConfig {
	return PoolConfig{Workers: c.withDefaults().FileWorkers, Queue: c.FileQueue}
}
