// The lists in SLURM's variables.

/** A host's name with ranges of numbers in brackets. */
const HOST = /^(?:[^\s,[\]]|\[\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\])+/;

/** The first machine of a list such as `node[01-04,07],login`; undefined if it is no such list. */
export function firstHost(list: string): string | undefined {
  const [first = ""] = HOST.exec(list.trim()) ?? [];
  const rest = list.trim().slice(first.length);
  if (first === "" || (rest !== "" && !rest.startsWith(","))) return undefined;
  return first.replace(/\[(\d+)[^\]]*\]/g, "$1");
}

/** The number of processes on machine `node`, counted from 0, by a list such as `2(x3),1`; undefined if it has none. */
export function tasksOnNode(list: string, node: number): number | undefined {
  let first = 0;
  for (const part of list.split(",")) {
    const [, tasks, machines = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim()) ?? [];
    if (tasks === undefined || Number(tasks) < 1) return undefined;
    first += Number(machines);
    if (node < first) return Number(tasks);
  }
  return undefined;
}
