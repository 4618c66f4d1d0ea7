/**
 * All verbs, and what they share. To add one, write its file and add it to `verbs`, or to `apiVerbs` when it talks to a server.
 *
 * A verb of `apiVerbs` is loaded when it is the one that is run, or when all are listed: the schemas and the HTTP client that it needs take a tenth of a
 * second and memory that `serve` has no use for.
 */
import { Command } from 'commander'
import { registerConfig } from './config-check.ts'
import { registerDatabase } from './database.ts'
import { registerDocs } from './docs.ts'
import { registerExport } from './export.ts'
import { registerGarbageCollect } from './garbage-collect.ts'
import { registerImport } from './import.ts'
import { registerRecover } from './recover.ts'
import { registerRestore } from './restore.ts'
import { registerMigrate } from './migrate.ts'
import { registerSecrets } from './secrets.ts'
import { registerServe } from './serve.ts'
import { registerStore } from './store.ts'
import { registerVersion } from './version.ts'
import { versionText } from './version-text.ts'

type Register = (program: Command) => void

const verbs: readonly Register[] = [
  registerServe,
  registerImport,
  registerExport,
  registerGarbageCollect,
  registerMigrate,
  registerRestore,
  registerRecover,
  registerDatabase,
  registerSecrets,
  registerStore,
  registerConfig,
  registerVersion,
  registerDocs,
]

/** By the verb's name. */
const apiVerbs: Readonly<Record<string, () => Promise<Register>>> = {
  login: async () => (await import('./login.ts')).registerLogin,
  logout: async () => (await import('./login.ts')).registerLogout,
  repository: async () => (await import('./repository.ts')).registerRepository,
  tag: async () => (await import('./tag.ts')).registerTag,
  image: async () => (await import('./image.ts')).registerImage,
  manifest: async () => (await import('./manifest.ts')).registerManifest,
  job: async () => (await import('./job.ts')).registerJob,
  doctor: async () => (await import('./doctor.ts')).registerDoctor,
  storage: async () => (await import('./storage.ts')).registerStorage,
  scrub: async () => (await import('./scrub.ts')).registerScrub,
  backup: async () => (await import('./backup.ts')).registerBackup,
  schedule: async () => (await import('./schedule.ts')).registerSchedule,
  upload: async () => (await import('./upload.ts')).registerUpload,
  trash: async () => (await import('./trash.ts')).registerTrash,
  grant: async () => (await import('./grant.ts')).registerGrant,
  group: async () => (await import('./group.ts')).registerGroup,
  role: async () => (await import('./role.ts')).registerRole,
  project: async () => (await import('./project.ts')).registerProject,
  quota: async () => (await import('./quota.ts')).registerQuota,
  usage: async () => (await import('./usage.ts')).registerUsage,
  label: async () => (await import('./label.ts')).registerLabel,
  retention: async () => (await import('./retention.ts')).registerRetention,
  immutable: async () => (await import('./immutable.ts')).registerImmutable,
  token: async () => (await import('./token.ts')).registerToken,
  robot: async () => (await import('./robot.ts')).registerRobot,
  key: async () => (await import('./key.ts')).registerKey,
  certificate: async () => (await import('./certificate.ts')).registerCertificate,
  node: async () => (await import('./node.ts')).registerNode,
  account: async () => (await import('./account.ts')).registerAccount,
  user: async () => (await import('./user.ts')).registerUser,
  factor: async () => (await import('./factor.ts')).registerFactor,
  provider: async () => (await import('./provider.ts')).registerProvider,
  audit: async () => (await import('./audit.ts')).registerAudit,
  system: async () => (await import('./system.ts')).registerSystem,
  statistics: async () => (await import('./statistics.ts')).registerStatistics,
  search: async () => (await import('./search.ts')).registerSearch,
  whoami: async () => (await import('./whoami.ts')).registerWhoami,
}

/** The command tree, ready to parse; of the verbs that talk to a server only `verb`, or all when it is none of the others. */
export async function createProgram(verb?: string): Promise<Command> {
  const program = new Command('berth')
    // What the parser ends is ended by main.ts, with an exit status of Berth's.
    .exitOverride()
    .description('A container image registry. The binary is also called registry, and takes the verbs of registry:2.')
    .version(versionText(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb...]', 'print help for a verb, or for one of its own')
    .showHelpAfterError('(berth --help lists the verbs)')
    .showSuggestionAfterError()
  for (const register of verbs) register(program)
  for (const load of needed(program, verb)) (await load())(program)
  return program
}

function needed(program: Command, verb: string | undefined): readonly (() => Promise<Register>)[] {
  const only = verb !== undefined && Object.hasOwn(apiVerbs, verb) ? apiVerbs[verb] : undefined
  if (only !== undefined) return [only]
  const isOther = verb === '--version' || verb === '-v' || program.commands.some((command) => command.name() === verb)
  // The pages of documentation are about all verbs.
  return isOther && verb !== 'docs' ? [] : Object.values(apiVerbs)
}
