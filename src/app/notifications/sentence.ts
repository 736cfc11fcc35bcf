import type { StoredEvent } from '../../store/store.ts';
import { factsOf, type RolloutFacts } from './facts.ts';

/** What happened, in one sentence without its evidence: `shop: green is paused at stage 2 of 4 (weight 25): gate`. */
export function sentenceOf(event: StoredEvent): string {
  const facts = factsOf(event);
  const subject = event.service === null ? '' : `${event.service}: `;
  const said = TELL[event.type]?.(facts) ?? event.type.replaceAll(/[._]/g, ' ');
  const by = event.actor === 'tealgate' ? '' : ` (by ${event.actor})`;
  return `${subject}${said}${by}`;
}

const TELL: Readonly<Record<string, (facts: RolloutFacts) => string>> = {
  'rollout.created': ({ from, to }) => `a rollout from ${from} to ${to} begins`,
  'rollout.checking': ({ to }) => `${to} is being checked`,
  'rollout.stage': (facts) => `${facts.to} enters ${place(facts)}`,
  'rollout.resumed': (facts) => `${facts.to} goes on at ${place(facts)}`,
  'rollout.paused': (facts) => `${facts.to} is paused at ${place(facts)}${because(facts)}`,
  'rollout.gate_refused': ({ to, said }) => `the gate before the next stage of ${to} said no: ${said}`,
  'rollout.returning': (facts) => `${facts.to} is being taken back at ${place(facts)}${because(facts)}`,
  'rollout.promoting': ({ from, to }) => `${to} takes over from ${from}`,
  'rollout.draining': ({ from }) => `${from} is being drained`,
  'rollout.promoted': ({ to }) => `${to} is promoted`,
  'rollout.aborted': (facts) => `the rollout of ${facts.to} was aborted at ${place(facts)}`,
  'rollout.rolled_back': (facts) => `${facts.to} was rolled back at ${place(facts)}${because(facts)}`,
  'rollout.failed': (facts) => `the rollout of ${facts.to} failed before it had traffic${because(facts)}`,
  'rollout.power': () => 'what the stages of the rollout can see has been reckoned',
  'rollout.verdict': ({ guard, verdict }) => `the guard ${guard} says ${verdict}`,
  'rollout.interrupted': () => 'the gate was restarted during a rollout, which goes on',
};

function place({ stage, stages, weight }: RolloutFacts): string {
  const share = weight === null ? '' : ` (weight ${weight})`;
  return `stage ${stage ?? '?'} of ${stages ?? '?'}${share}`;
}

function because({ reason }: RolloutFacts): string {
  return reason === null ? '' : `: ${reason.replaceAll('_', ' ')}`;
}
