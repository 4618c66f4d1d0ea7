/** A policy of retention: which repositories, which rules keep tags, what becomes of the others, when. It is tried on one repository before it is saved. */
import { ActionIcon, Button, Group, Stack, Switch, Text, TextInput } from '@mantine/core'
import { Plus, Trash2 } from 'lucide-react'
import { change } from '../../api/client.ts'
import { createRetentionPolicy, listRetentionPolicies, updateRetentionPolicy } from '../../api/manage-routes.ts'
import { ownTimeZone, timeZone } from '../../app/time-zone.ts'
import { OneOf, ZoneField } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'
import { freshRule, keeps, ruleDraft, ruleOf, type Policy, type RuleDraft } from './retention-draft.ts'
import { RetentionPreview } from './retention-preview.tsx'
import { TagPattern } from './tag-pattern.tsx'

interface FormProps {
  readonly project: string
  readonly policy: Policy | undefined
  readonly close: () => void
}

export function RetentionForm({ project, policy, close }: FormProps) {
  const { t } = useWords()
  const { draft, put, text, flag } = useDraft({
    name: policy?.name ?? '',
    description: policy?.description ?? '',
    repositories: policy?.repositories ?? '**',
    rules: (policy?.rules.map(ruleDraft) ?? [freshRule()]) as readonly RuleDraft[],
    unmatched: policy?.unmatched ?? ('keep' as const),
    mayEmptyRepositories: policy?.mayEmptyRepositories ?? false,
    schedule: policy?.schedule ?? '',
    timeZone: policy?.timeZone ?? timeZone() ?? ownTimeZone(),
  })
  const save = async () => {
    const { name, rules, ...rest } = draft
    const body = { ...rest, rules: rules.map(ruleOf) }
    if (policy === undefined)
      await change(createRetentionPolicy, { params: { project }, body: { name: name.trim(), ...body } }, [listRetentionPolicies])
    else
      await change(updateRetentionPolicy, { params: { project, policy: policy.name }, body, ifMatch: policy.version }, [
        listRetentionPolicies,
      ])
    tell(t('common.saved'), t('manage:retention.runDryNext'))
    close()
  }
  return (
    <Form save={save} close={close} submit={policy === undefined ? t('common.create') : t('common.save')}>
      {policy === undefined && (
        <TextInput
          label={t('common.name')}
          description={t('manage:common.nameHint')}
          {...text('name')}
          data-autofocus
          required
          withAsterisk={false}
          autoComplete="off"
        />
      )}
      <TextInput label={t('common.description')} {...text('description')} />
      <TextInput
        label={t('nav.repositories')}
        description={t('members.repositoriesHint')}
        classNames={{ input: 'mono' }}
        {...text('repositories')}
      />
      <AllRules rules={draft.rules} set={(rules) => put({ rules })} />
      <OneOf
        label={t('manage:retention.unmatched')}
        values={['keep', 'remove'] as const}
        say={(value) => t(`manage:retention.unmatchedTexts.${value}`)}
        value={draft.unmatched}
        onChange={(unmatched) => put({ unmatched })}
      />
      <Switch label={t('manage:retention.mayEmpty')} description={t('manage:retention.mayEmptyHint')} {...flag('mayEmptyRepositories')} />
      <ScheduleFields schedule={draft.schedule} zone={draft.timeZone} put={put} />
      <RetentionPreview
        project={project}
        rules={() => ({
          rules: draft.rules.map(ruleOf),
          unmatched: draft.unmatched,
          mayEmptyRepositories: draft.mayEmptyRepositories,
          ...(policy !== undefined && { insteadOf: policy.name }),
        })}
      />
    </Form>
  )
}

interface ScheduleProps {
  readonly schedule: string
  readonly zone: string
  readonly put: (changes: { readonly schedule?: string; readonly timeZone?: string }) => void
}

/** In whose time it comes is asked only where it comes by itself. */
function ScheduleFields({ schedule, zone, put }: ScheduleProps) {
  const { t } = useWords()
  return (
    <>
      <TextInput
        label={t('manage:retention.schedule')}
        description={t('manage:retention.scheduleHint')}
        placeholder="0 3 * * *"
        classNames={{ input: 'mono' }}
        value={schedule}
        onChange={(event) => put({ schedule: event.currentTarget.value })}
      />
      {schedule.trim() !== '' && <ZoneField value={zone} onChange={(timeZone) => put({ timeZone })} />}
    </>
  )
}

interface AllProps {
  readonly rules: readonly RuleDraft[]
  readonly set: (rules: readonly RuleDraft[]) => void
}

function AllRules({ rules, set }: AllProps) {
  const { t } = useWords()
  const replaceRule = (id: number, changes: Partial<RuleDraft>) =>
    set(rules.map((rule) => (rule.id === id ? { ...rule, ...changes } : rule)))
  return (
    <>
      {rules.map((rule, at) => (
        <RuleFields
          key={rule.id}
          rule={rule}
          number={at + 1}
          set={(changes) => replaceRule(rule.id, changes)}
          remove={rules.length > 1 ? () => set(rules.filter(({ id }) => id !== rule.id)) : undefined}
        />
      ))}
      <Button
        variant="default"
        size="compact-sm"
        leftSection={<Plus size={14} />}
        style={{ alignSelf: 'flex-start' }}
        disabled={rules.length >= 20}
        onClick={() => set([...rules, freshRule()])}
      >
        {t('manage:retention.addRule')}
      </Button>
    </>
  )
}

interface RuleProps {
  readonly rule: RuleDraft
  readonly number: number
  readonly set: (changes: Partial<RuleDraft>) => void
  readonly remove: (() => void) | undefined
}

function RuleFields({ rule, number, set, remove }: RuleProps) {
  const { t } = useWords()
  const title = t('manage:retention.rule', { number })
  return (
    <fieldset className="panel plain-set" style={{ padding: 14 }} aria-label={title}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Text fw={600} size="sm">
            {title}
          </Text>
          {remove !== undefined && (
            <ActionIcon onClick={remove} aria-label={t('manage:common.remove', { name: title })}>
              <Trash2 size={15} />
            </ActionIcon>
          )}
        </Group>
        <Group gap="xs" align="flex-end" wrap="nowrap">
          <OneOf
            label={t('manage:retention.keep')}
            values={keeps}
            say={(keep) => t(`manage:retention.keeps.${keep}`)}
            value={rule.keep}
            onChange={(keep) => set({ keep })}
            style={{ flex: 1 }}
          />
          {rule.keep !== 'always' && (
            <TextInput
              aria-label={t('manage:retention.number')}
              value={rule.number}
              onChange={(event) => set({ number: event.currentTarget.value })}
              inputMode="numeric"
              pattern="[0-9]+"
              required
              w={84}
            />
          )}
        </Group>
        <TagPattern
          label={t('manage:retention.matches')}
          syntax={rule.syntax}
          pattern={rule.matches}
          set={({ pattern, syntax }) =>
            set({ ...(pattern !== undefined && { matches: pattern }), ...(syntax !== undefined && { syntax }) })
          }
        />
        <TextInput
          label={t('manage:retention.excludes')}
          value={rule.excludes}
          onChange={(event) => set({ excludes: event.currentTarget.value })}
          classNames={{ input: 'mono' }}
          spellCheck={false}
          autoComplete="off"
        />
        <TextInput
          label={t('manage:retention.ruleName')}
          value={rule.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
          autoComplete="off"
        />
      </Stack>
    </fieldset>
  )
}
