/** All verbs, and what they share. To add one, write its file and add it to `verbs`. */
import { Command } from 'commander'
import { registerConfig } from './config-check.ts'
import { registerDocs } from './docs.ts'
import { registerExport } from './export.ts'
import { registerGarbageCollect } from './garbage-collect.ts'
import { registerImport } from './import.ts'
import { registerScrub } from './scrub.ts'
import { registerServe } from './serve.ts'
import { registerVersion } from './version.ts'
import { versionText } from './version-text.ts'

const verbs: readonly ((program: Command) => void)[] = [
  registerServe,
  registerImport,
  registerExport,
  registerGarbageCollect,
  registerScrub,
  registerConfig,
  registerVersion,
  registerDocs,
]

/** The command tree, ready to parse. */
export function createProgram(): Command {
  const program = new Command('berth')
    .description('A container image registry. The binary is also called registry, and takes the verbs of registry:2.')
    .version(versionText(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .showHelpAfterError('(berth --help lists the verbs)')
    .showSuggestionAfterError()
  for (const register of verbs) register(program)
  return program
}
