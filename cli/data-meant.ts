/** What verbs share that work on a server, or on the data of one. */
import { WrongUsage } from './command-failure.ts'

/** Of {@link dataOption}. */
export interface DataFlags {
  readonly data?: string
  readonly server?: string | undefined
}

export const dataArgument = [
  '[config-or-directory]',
  'config.yml of a registry, or its data directory; without, a server is asked',
] as const

export const dataOption = [
  '--data <config-or-directory>',
  'work on the data itself, on its machine; the only way where there are no accounts',
] as const

/** The data that is meant; undefined: a server. */
export function dataMeant(source: string | undefined, { data, server }: DataFlags): string | undefined {
  const meant = source ?? data
  if (meant !== undefined && server !== undefined)
    throw new WrongUsage('--server is for a server: leave the configuration or directory out')
  return meant
}
