import type { Gate } from '../config/gate-schema.ts';
import { isWithin } from '../platform/schedule-window.ts';
import { measured, NOT_ASKED } from './guards/polled.ts';
import { webhookMeasurement, webhookObservation } from './guards/webhook.ts';
import type { RolloutUpdate } from './ports.ts';
import type { Rollout } from './rollout.ts';
import { ITSELF } from './step.ts';

/** Whether a gate lets a stage begin without anybody being asked. */
export function isOpen(gate: Gate | undefined, at: number): boolean {
  if (gate === undefined) return true;
  return gate !== 'manual' && gate.kind === 'schedule' && isWithin(gate, at);
}

/** The stage behind the gate at which a rollout waits. */
export function stageBehind({ position }: Rollout): number {
  if (position.phase !== 'paused') return 0;
  return position.unbegun === true ? 0 : position.stage + 1;
}

/** The gate at which a rollout waits; null when it waits at none, or only because others of its group do. */
export function gateOf(rollout: Rollout): Gate | null {
  const { position, plan } = rollout;
  if (position.phase !== 'paused' || position.reason !== 'gate') return null;
  return plan.stages[stageBehind(rollout)]?.gate ?? null;
}

/** `refused`: with a no that takes the candidate back; any other no waits for somebody. */
export function gateStanding(rollout: Rollout, at: number): 'open' | 'closed' | 'refused' {
  const { position } = rollout;
  if (position.phase !== 'paused' || position.reason !== 'gate') return 'closed';
  const gate = gateOf(rollout);
  if (gate === null || isOpen(gate, at)) return 'open';
  if (gate === 'manual' || gate.kind === 'schedule') return 'closed';
  switch (position.gate?.last?.verdict) {
    case 'pass':
      return 'open';
    case 'fail':
      return gate.onNo === 'rollback' ? 'refused' : 'closed';
    default:
      return 'closed';
  }
}

/** Takes in what the gate was told, and tells of a no. */
export function hearGate(rollout: Rollout, observation: unknown): Pick<RolloutUpdate, 'rollout' | 'events'> {
  const { id, from, to, position } = rollout;
  if (observation === undefined || position.phase !== 'paused' || position.reason !== 'gate') {
    return { rollout, events: [] };
  }
  const said = webhookObservation.parse(observation);
  const gate = measured(position.gate ?? NOT_ASKED, webhookMeasurement(said), said.times);
  const heard: Rollout = { ...rollout, position: { ...position, gate } };
  if (said.verdict !== 'fail') return { rollout: heard, events: [] };
  const { transitions } = rollout;
  // As with a transition, so that a message about it can carry links that act.
  const moment = { phase: position.phase, transition: transitions.length };
  const data = { rollout: id, from, to, ...moment, stage: stageBehind(rollout), said: said.reason };
  return { rollout: heard, events: [{ type: 'rollout.gate_refused', actor: ITSELF, data }] };
}
