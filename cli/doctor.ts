/** `berth doctor`: is all well with what a registry stands on; and what to do where it is not. */
import type { Command } from 'commander'
import { readSystemDoctor } from '#api/routes/system.ts'
import type { LoadedConfig } from '#config/load.ts'
import { ConfigError, formatProblem } from '#config/problem.ts'
import { examineInstallation } from '#main.ts'
import { apiOptions, chooseServer, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeAbsence, describeSource, loadSource } from './data-command.ts'
import { printable, printJson } from './print.ts'

type Diagnosis = Awaited<ReturnType<typeof examineInstallation>>[number]

const marks: Readonly<Record<Diagnosis['verdict'], string>> = { ok: 'ok', warning: 'WARNING', problem: 'PROBLEM' }

async function runDoctor(source: string | undefined, flags: ApiFlags): Promise<void> {
  if (source !== undefined && flags.server !== undefined)
    throw new WrongUsage('--server is for a server: leave the configuration or directory out')
  if (flags.server === undefined) {
    const { of, diagnoses } = await examineHere(source)
    if (flags.json === true) printJson({ diagnoses })
    else printDiagnoses(of, diagnoses)
    judge(diagnoses)
    return
  }
  await withClient(flags, async ({ client, print, server }) => {
    const found = await client.call(readSystemDoctor)
    print(found, () => printDiagnoses(server, found.diagnoses))
    judge(found.diagnoses)
  })
}

interface Examined {
  /** What was looked at. */
  readonly of: string
  readonly diagnoses: readonly Diagnosis[]
}

/** A configuration with problems is one finding each, and nothing else can be looked at. */
async function examineHere(source: string | undefined): Promise<Examined> {
  try {
    const loaded = await loadSource(source)
    const of = describeSource(loaded.config)
    const absence = await describeUnnamed(source, loaded)
    if (absence !== undefined) return { of, diagnoses: [{ check: 'storage', verdict: 'problem', message: absence }] }
    return { of, diagnoses: await examineInstallation(loaded) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const diagnoses = [
      ...error.warnings.map((message): Diagnosis => ({ check: 'configuration', verdict: 'warning', message })),
      ...error.problems.map((each): Diagnosis => ({ check: 'configuration', verdict: 'problem', message: formatProblem(each) })),
    ]
    return { of: source ?? 'the configuration as berth serve finds it', diagnoses }
  }
}

/** Who names nothing, where nothing is, meant something else: most likely the server that they are signed in to. */
async function describeUnnamed(source: string | undefined, { config }: LoadedConfig): Promise<string | undefined> {
  if (source !== undefined || config.file !== undefined) return undefined
  const absence = await describeAbsence(config)
  if (absence === undefined) return undefined
  const chosen = await chooseServer({}).catch(() => undefined)
  const there = chosen === undefined ? '--server for a server' : `--server ${chosen.server} for the server that you use`
  return `${absence}: name a config.yml or a data directory, or ${there}`
}

function printDiagnoses(of: string, diagnoses: readonly Diagnosis[]): void {
  console.log(`Looking at ${printable(of)}`)
  const width = Math.max(...diagnoses.map(({ check }) => check.length))
  for (const { check, verdict, message } of diagnoses)
    console.log(`${marks[verdict].padEnd(7)}  ${printable(check).padEnd(width)}  ${printable(message)}`)
}

function judge(diagnoses: readonly Diagnosis[]): void {
  if (diagnoses.some(({ verdict }) => verdict === 'problem')) process.exitCode = 1
}

/** Adds the command to the program. */
export function registerDoctor(program: Command): void {
  apiOptions(
    program
      .command('doctor')
      .description(
        'look at configuration, store, database, keys, certificate, clock and leftovers, and say what to do. Status 1 when there is a problem',
      )
      .argument('[config-or-directory]', 'config.yml of the registry, or its data directory'),
  ).action(runDoctor)
}
