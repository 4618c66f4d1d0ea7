import type { Command } from 'commander'
import { effectiveConfiguration } from '#config/effective.ts'
import { loadConfig } from '#config/load.ts'
import { ConfigError } from '#config/problem.ts'

/** `berth config check [FILE]`: all that is wrong with a configuration, without starting anything. */
export function registerConfig(program: Command): void {
  const config = program.command('config').description('look at a configuration')
  config
    .command('check')
    .description('print every problem and warning of a configuration; status 1 when there is a problem')
    .argument('[file]', 'config.yml; without it REGISTRY_CONFIGURATION_PATH names one, or the defaults count')
    .option('--effective', 'print the configuration in force, with where each value comes from; secrets are masked')
    .action(runCheck)
}

async function runCheck(file: string | undefined, { effective = false }: { effective?: boolean }): Promise<void> {
  try {
    const { config, warnings, values } = await loadConfig({ file, environment: process.env, cwd: process.cwd() })
    printWarnings(warnings)
    if (effective) console.log(effectiveConfiguration(config, values))
    else
      console.log(
        `${config.file ?? 'The configuration without a file'} is fine${warnings.length === 0 ? '' : ', with the warnings above'}.`,
      )
  } catch (error) {
    if (error instanceof ConfigError) printWarnings(error.warnings)
    throw error
  }
}

function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) console.error(`warning: ${warning}`)
}
