/** Options of every command that takes a workload. */
export const WORKLOAD_FLAGS = [
  ['--workload <workload>', "a law of sizes with a load, 'bpareto?low=1&high=1000&alpha=1.5&load=0.8', or a trace: FILE.jsonl, .csv, .swf, each also .gz"],
  ['--arrivals <law>', 'instead of a workload: poisson?rate=0.8, or gaps from a law: det?mean=1'],
  ['--sizes <law>', 'instead of a workload: service times such as exp?mean=1; numbers are seconds'],
  ['--classes <list>', "instead of a workload: classes 'poisson?rate=0.3 exp?mean=1 weight=4 priority=0; poisson?rate=0.5 exp?mean=2'"],
  ['--tenants <list>', 'NAME=WEIGHT joined by commas: arrivals are divided evenly'],
  ['--columns <map>', 'of a CSV: at=COLUMN,size=COLUMN and any of estimate, tenant, handler, priority, weight, width, deadline'],
  ['--unit <unit>', 'of times in a CSV: s, ms or us'],
  ['--servers <n>', 'workers'],
  ['--jobs <n>', 'jobs of each run; of a trace, only the first so many'],
  ['--warmup <n>', 'first jobs that are not measured'],
  ['--switch-cost <duration>', 'cost of giving a worker to a task'],
  ['--switch-mode <mode>', 'every-slice or on-change'],
  ['--estimates <model>', 'declared (of a trace), exact, exp, lognormal:SIGMA, or predicted from ended jobs: last-two, ewma, p90'],
] as const;
