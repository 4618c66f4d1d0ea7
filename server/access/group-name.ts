/** Names of groups are for people. */
import { isVisibleText } from '#lib/visible-text.ts'

/** 1 to 255 characters without controls, without space at the ends: what a provider's group is called as it is called there. */
export function isGroupName(name: string): boolean {
  return name.length >= 1 && name.length <= 255 && name === name.trim() && !/\p{C}/u.test(name)
}

/** The same where all characters show: nobody takes a group that is made here for another one. */
export function isOwnGroupName(name: string): boolean {
  return isGroupName(name) && isVisibleText(name)
}
