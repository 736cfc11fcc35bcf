export type {
  Applied,
  Command,
  ConfigStatus,
  ControlPlane,
  LedgerView,
  Overview,
  ProbeResult,
  RolloutAction,
  ServiceView,
  TargetView,
  UpstreamView,
} from './app/control-plane.ts';
export { type GateOptions, startGate } from './app/gate.ts';
export type { Gate, Stopped } from './app/running-gate.ts';
export type { Config, RolloutPlan, ServiceConfig } from './config/config.ts';
export { type ConfigProblem, formatProblem, type LoadResult, loadConfig, parseConfig } from './config/load.ts';
export { ERROR_STATUS, type ErrorCode, TealgateError } from './platform/errors.ts';
export type { GuardEvidence, Verdict } from './rollout/evidence.ts';
export type { Counts, Phase, Position, Rollout, Transition } from './rollout/rollout.ts';
export type { NewEvent, StoredEvent } from './store/store.ts';
export type { LineSink } from './telemetry/stdout.ts';
export { OUTCOMES, type Outcome } from './traffic/ledger.ts';
