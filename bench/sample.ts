/**
 * What one run of a scenario measured. Times in microseconds (`…Us`) or milliseconds (`…Ms`); what a load does not
 * measure is absent. `cpuUs`: user and system time of all processes of the proxy, per request or message.
 */
export interface Sample {
  readonly cpuUs?: number;
  readonly userUs?: number;
  readonly systemUs?: number;
  readonly perSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly p999Ms?: number;
  /** The 99th percentile within a tenth of a second, in the median of all tenths; of `paced` loads. */
  readonly calmP99Ms?: number;
  readonly residentMiB?: number;
  readonly errors?: number;
  /** How many were idle. */
  readonly connections?: number;
  /** Of an idle connection. */
  readonly connectionBytes?: number;
  /** Share of the rate asked for that was reached; of `paced` loads. */
  readonly achieved?: number;
  /** From a change asked for to the answer that every worker serves it, the worst of the run. */
  readonly changeMs?: number;
}

export type Metric = keyof Sample;
