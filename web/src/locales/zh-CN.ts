/** 简体中文。 */
import type { Words } from './en.ts'
import { account } from './zh-CN/account.ts'
import { images } from './zh-CN/images.ts'
import { projects } from './zh-CN/projects.ts'
import { start } from './zh-CN/start.ts'
import { system } from './zh-CN/system.ts'

export const zhCN: Words = { ...start, ...projects, ...images, ...account, ...system }
