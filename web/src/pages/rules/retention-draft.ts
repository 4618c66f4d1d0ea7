/** Rules of retention as forms have them, and as the server takes them. */
import type { BodyOf } from '#api/contract.ts'
import type { createRetentionPolicy } from '#api/routes/retention.ts'
import type { ItemOf } from '../../api/client.ts'
import type { listRetentionPolicies } from '../../api/manage-routes.ts'
import type { Syntax } from './tag-pattern.tsx'

export type Policy = ItemOf<typeof listRetentionPolicies>
type Rules = BodyOf<typeof createRetentionPolicy>['rules']
type Rule = Rules[number]

/** What a rule keeps; all but the last with a number. */
export const keeps = ['latestPushed', 'latestPulled', 'pushedWithinDays', 'pulledWithinDays', 'perMinor', 'perMajor', 'always'] as const
export type Keep = (typeof keeps)[number]

export interface RuleDraft {
  readonly id: number
  readonly name: string
  readonly syntax: Syntax
  readonly matches: string
  readonly excludes: string
  readonly keep: Keep
  readonly number: string
}

let made = 0

export function freshRule(): RuleDraft {
  made += 1
  return { id: made, name: '', syntax: 'glob', matches: '', excludes: '', keep: 'latestPushed', number: '10' }
}

export function ruleDraft(rule: Rule): RuleDraft {
  const keep = keeps.find((each) => rule.keep[each] !== undefined) ?? 'always'
  const value = rule.keep[keep]
  return {
    ...freshRule(),
    name: rule.name ?? '',
    syntax: rule.tags?.syntax ?? 'glob',
    matches: rule.tags?.matches ?? '',
    excludes: rule.tags?.excludes ?? '',
    keep,
    number: typeof value === 'number' ? String(value) : '10',
  }
}

export function ruleOf({ name, syntax, matches, excludes, keep, number }: RuleDraft): Rule {
  const tags = {
    syntax,
    ...(matches.trim() !== '' && { matches: matches.trim() }),
    ...(excludes.trim() !== '' && { excludes: excludes.trim() }),
  }
  return {
    ...(name.trim() !== '' && { name: name.trim() }),
    ...(matches.trim() + excludes.trim() !== '' && { tags }),
    keep: keep === 'always' ? { always: true } : { [keep]: Number(number) },
  }
}
