/** Operates and reads one service of a running gate. Every call throws when the gate refuses or is away. */
export interface GatePort {
  readonly service: string;
  read(): Promise<GateReading>;
  switchTo(upstream: string): Promise<void>;
  /** Of every upstream that is named. */
  setWeights(weights: Readonly<Record<string, number>>): Promise<void>;
  /** `plan`: keys of the configured plan to override. Returns the rollout's id. */
  startRollout(to: string, plan: Readonly<Record<string, unknown>>): Promise<string>;
  rollout(id: string): Promise<RolloutReading>;
  abortRollout(): Promise<void>;
  /** What is wrong with the file, in words; empty when it was taken. */
  reload(): Promise<readonly string[]>;
}

/** Counters of a service since the gate started. */
export interface GateReading {
  /** Another one means that the counters began anew. */
  readonly startedAt: number;
  readonly stable: string;
  readonly upstreams: Readonly<Record<string, UpstreamReading>>;
  readonly accepted: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface UpstreamReading {
  readonly weight: number;
  /** Requests answered. */
  readonly requests: number;
  /** Attempts that a guard would judge, and those of them that failed. */
  readonly trials: number;
  readonly errors: number;
  readonly retries: number;
}

export interface RolloutReading {
  readonly id: string;
  readonly phase: string;
  readonly reason: string | null;
  readonly ended: boolean;
}
