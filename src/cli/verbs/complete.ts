import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';

/** Prints what the last word of a command line may become, one candidate a line. */
export async function complete(ctx: Context, program: Command, words: readonly string[]): Promise<ExitCode> {
  const word = words.at(-1) ?? '';
  const candidates = await candidatesFor(ctx, locate(program, words.slice(0, -1)), word);
  ctx.out.lines(candidates.filter((candidate) => candidate.startsWith(word)).sort());
  return EXIT.ok;
}

interface Place {
  readonly command: Command;
  /** The positional words of that command. */
  readonly given: readonly string[];
  /** The option whose value the last word is. */
  readonly option: string | null;
}

function locate(program: Command, words: readonly string[]): Place {
  let command = program;
  let given: string[] = [];
  let option: string | null = null;
  for (const word of words) {
    if (option !== null) option = null;
    else if (word.startsWith('-')) option = takesValue(command, word) ? word : null;
    else {
      const next = command.commands.find((sub) => sub.name() === word);
      if (next === undefined) given = [...given, word];
      else {
        command = next;
        given = [];
      }
    }
  }
  return { command, given, option };
}

function takesValue(command: Command, flag: string): boolean {
  return optionsOf(command).some((option) => (option.long === flag || option.short === flag) && option.required);
}

function optionsOf(command: Command): Command['options'] {
  return command.parent === null ? command.options : [...command.options, ...optionsOf(command.parent)];
}

async function candidatesFor(ctx: Context, place: Place, word: string): Promise<readonly string[]> {
  const { command, given, option } = place;
  if (option === '--to' || option === '--upstream') return upstreams(ctx, given[0]);
  if (option === '--group') return groups(ctx);
  if (option !== null) return optionsOf(command).find(({ long }) => long === option)?.argChoices ?? [];
  if (word.startsWith('-')) return optionsOf(command).flatMap(({ long }) => (long ? [long] : []));
  if (command.commands.length > 0) return command.commands.map((sub) => sub.name());
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[given.length] ?? (last?.variadic === true ? last : undefined);
  switch (argument?.name()) {
    case 'service':
      return services(ctx);
    case 'rollout':
      return rollouts(ctx);
    case 'upstream':
    case 'to':
      return upstreams(ctx, given[0]);
    case 'upstream=weight':
      return (await upstreams(ctx, given[0])).map((name) => `${name}=`);
    case 'shell':
      return ['bash', 'zsh', 'fish'];
    default:
      return [];
  }
}

async function services(ctx: Context): Promise<string[]> {
  return Object.keys((await (await ctx.client()).overview()).services);
}

/** Their ids, and the services, which stand for all of theirs. */
async function rollouts(ctx: Context): Promise<string[]> {
  const { services: known } = await (await ctx.client()).overview();
  return Object.values(known).flatMap((service) => [service.name, ...service.rollouts.map(({ id }) => id)]);
}

async function upstreams(ctx: Context, service: string | undefined): Promise<string[]> {
  return service === undefined ? [] : Object.keys((await (await ctx.client()).service(service)).upstreams);
}

async function groups(ctx: Context): Promise<string[]> {
  const client = await ctx.client();
  const { groups } = await client.send<{ readonly groups: readonly { readonly name: string }[] }>('GET', '/v1/groups');
  return groups.map(({ name }) => name);
}
