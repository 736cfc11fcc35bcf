import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks of the kernel in a second: 100 on every Linux that Node.js runs on (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100;

/** What a process holds and has used, from /proc. */
export interface Vitals {
  readonly rssBytes: number;
  /** Open file descriptors. */
  readonly descriptors: number;
  /** Sockets among them. */
  readonly sockets: number;
  /** Of all its threads, user and system, since it began. */
  readonly cpuMs: number;
}

export function readVitals(pid: number): Vitals {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  // Behind the name, which may hold anything: state is field 3, utime 14, stime 15 (man 5 proc_pid_stat).
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    rssBytes: Number(kib) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    sockets: socketsOf(pid),
    cpuMs: (ticks * 1000) / TICKS_PER_SECOND,
  };
}

function socketsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(pid, fd));
  return links.filter((link) => link.startsWith('socket:')).length;
}

/** Empty when it was closed meanwhile. */
function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}
