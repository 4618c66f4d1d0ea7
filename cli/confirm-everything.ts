/** A forgotten `--project` must not give a role on the whole registry: it is asked for, or said. */
import { WrongUsage } from './command-failure.ts'
import { confirm } from './prompt.ts'

/** Of {@link everythingOption}, and `--yes`. */
export interface EverythingFlags {
  readonly everything?: boolean
  readonly yes?: boolean
}

/** For verbs that give roles. */
export const everythingOption = ['--everything', 'on the whole system is meant: do not ask'] as const

/** `what`: the role, and for whom. Throws when everything is not meant. */
export async function confirmEverything(what: string, flags: EverythingFlags): Promise<void> {
  if (flags.everything === true || flags.yes === true) return
  const question = `${what} on everything, every project included?`
  if (!process.stdin.isTTY) throw new WrongUsage(`${question} Name a project with --project, or say --everything`)
  await confirm(question, flags)
}

/** Whether a glob fits every name, so that what is given by it is given on everything: `**`, and what says the same otherwise. */
export function isEveryName(glob: string): boolean {
  return /^\*{2,}$/.test(glob)
}
