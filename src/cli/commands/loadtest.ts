import { type Command, Option } from 'commander';
import { SCENARIOS } from '../../loadtest/scenario-names.ts';
import type { LoadtestOptions } from '../loadtest-options.ts';
import type { Session } from '../session.ts';
import { collect, examples, start } from './registration.ts';

/** Load on a gate. */
export function loadtestCommand(program: Command, session: Session): void {
  program
    .command('loadtest [url]')
    .description('put load on a gate, operate it meanwhile, and fail when requests do; with --spawn, [url] is a path')
    .option('--spawn <file>', 'YAML: start this gate and these upstreams for the test')
    .option('--service <name>', 'the service to operate and account for (default: the only one)')
    .addOption(new Option('--scenario <name>', 'what to do under load').choices(SCENARIOS).default('steady'))
    .option('--to <upstream>', 'switch, canary, rollback: the candidate; restart-target: the process of --spawn')
    .option('--every <duration>', 'between operations, or the hold of each stage (default: 2s, of switch 500ms)')
    .option('--stage <weight:hold>', 'canary, rollback: a stage, such as 10:5s; may be repeated', collect)
    .option('--rate <n>', 'requests per second (default: 100, without --connections)')
    .option('--connections <n>', 'client connections; without --rate each sends as fast as it is answered')
    .option('--duration <duration>', 'of the load; a rollout that takes longer extends it', '10s')
    .option('--warmup <duration>', 'before that, and not measured', '1s')
    .option('--method <method>', 'of each request', 'GET')
    .option('-H, --header <line>', "'Name: value' for each request; may be repeated", collect)
    .option('--body <text>', 'of each request')
    .option(
      '--expect <expectation>',
      'what must hold, such as "p99<50ms", in place of the defaults; may be repeated',
      collect,
    )
    .option('--timeout <duration>', 'give up with exit code 3 (default: the load and 10m)')
    .option('--junit <file>', 'write the report as JUnit XML; - is stdout')
    .option('--markdown <file>', 'write the report as Markdown; - is stdout')
    .option('--logs <dir>', 'keep the output of spawned processes here')
    .addHelpText(
      'before',
      examples(
        'loadtest http://127.0.0.1:8080/ --rate 200 --duration 30s --expect "errors==0" --expect "p99<50ms"',
        'loadtest http://127.0.0.1:8080/ --service shop --scenario switch --to green',
        'loadtest --spawn loadtest.yaml --scenario canary --to green --junit loadtest.xml',
      ),
    )
    .action((url: string | undefined, _options: unknown, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('../verbs/loadtest.ts')).loadtest(ctx, url, command.optsWithGlobals<LoadtestOptions>()),
      ),
    );
}
