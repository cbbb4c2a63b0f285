package main

import "github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"

// startWorkers gives the console a pool of workers, which start as they are
// needed. What it returns ends them.
func (c *console) startWorkers(n int) (stop func() error) {
	c.workers = worker.NewPool(n, c.log)
	return c.workers.Close
}
