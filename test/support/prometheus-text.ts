/** One metric family of the Prometheus text format 0.0.4. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;

/** Parses the text format strictly: throws at the first line that is not of it, or belongs to no family. */
export function parsePrometheusText(body: string): Map<string, MetricFamily> {
  if (!body.endsWith('\n')) throw new Error('the last line has no line feed');
  const families = new Map<string, { name: string; help: string; type: string; samples: MetricSample[] }>();
  let current = { name: '', help: '', type: '', samples: [] as MetricSample[] };
  for (const line of body.split('\n')) {
    if (line === '') continue;
    const [, word = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) throw new Error(`${name} appears twice`);
      current = { name, help: rest, type: 'untyped', samples: [] };
      families.set(name, current);
    } else if (word === 'TYPE') {
      if (name !== current.name) throw new Error(`TYPE of ${name} inside ${current.name}`);
      current.type = rest;
    } else current.samples.push(parseSample(line, current.name));
  }
  return families;
}

function parseSample(line: string, family: string): MetricSample {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (!/^(_bucket|_sum|_count)?$/.test(name.slice(family.length)) || !name.startsWith(family)) {
    throw new Error(`not a sample of ${family}: ${line}`);
  }
  if (!/^([+-]?Inf|NaN|[+-]?[\d.]+(e[+-]?\d+)?)$/i.test(value)) throw new Error(`not a value: ${line}`);
  return { name, labels: parseLabels(labels), value: Number(value.replace(/Inf$/, 'Infinity')) };
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ''; ) {
    const [whole, name, value] = LABEL.exec(rest) ?? [];
    if (whole === undefined || name === undefined || value === undefined) throw new Error(`not a label: ${rest}`);
    labels[name] = value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
    rest = rest.slice(whole.length);
  }
  return labels;
}
