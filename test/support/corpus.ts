import { createHash } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Random } from './message-generator.ts';

export type Kind = 'requests' | 'responses';

const DIRECTORY = resolve(import.meta.dirname, '../fixtures/messages');

/** Messages that parsers are known to disagree on, and those that a run found: fixtures/messages has one in each file. */
export function readCorpus(kind: Kind): readonly Buffer[] {
  return globSync('*.http', { cwd: join(DIRECTORY, kind) })
    .sort()
    .map((name) => readFileSync(join(DIRECTORY, kind, name)));
}

/** A message that was read differently stays in the corpus: it is tried again in every run. */
export function keepInCorpus(kind: Kind, bytes: Buffer): void {
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  writeFileSync(join(DIRECTORY, kind, `found-${name}.http`), bytes);
}

/** Octets that mean something to a parser. */
const ODD = Buffer.from('\r\n\t :;,=0159aAfF\0\x0b\x7f\x80\xff"', 'latin1');

/** The message with one to four changes: an octet replaced, taken out or put in, or a part repeated. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let mutated = bytes;
  for (let changes = 1 + random.below(4); changes > 0; changes--) mutated = changeOnce(mutated, random);
  return mutated;
}

function changeOnce(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const odd = Buffer.of(ODD[random.below(ODD.length)] ?? 0);
  switch (random.below(4)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, at), odd, bytes.subarray(at + 1)]);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), odd, bytes.subarray(at)]);
    default: {
      const part = bytes.subarray(at, at + 1 + random.below(20));
      return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
    }
  }
}
