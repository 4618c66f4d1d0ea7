/** English, and the list of all that is said: other dictionaries have each of these keys, or they do not compile. A file for each area. */
import { account } from './en/account.ts'
import { images } from './en/images.ts'
import { projects } from './en/projects.ts'
import { start } from './en/start.ts'
import { system } from './en/system.ts'
import type { Texts } from './texts.ts'

const words = { ...start, ...projects, ...images, ...account, ...system } as const

export type Words = Texts<typeof words>

export const en: Words = words
