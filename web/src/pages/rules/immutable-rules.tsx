/** Tags that nobody moves or deletes, by rule. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Group, Switch, Text, TextInput } from '@mantine/core'
import { Lock, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, pages } from '../../api/client.ts'
import { createImmutableRule, deleteImmutableRule, listImmutableRules, updateImmutableRule } from '../../api/manage-routes.ts'
import { listTags } from '../../api/routes.ts'
import { act, Dialog, Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import { TagPattern, type Syntax } from './tag-pattern.tsx'

type Rule = ItemOf<typeof listImmutableRules>
const touched = [listImmutableRules, listTags]

interface RulesProps {
  readonly project: string
  readonly rights: ReadonlySet<string>
}

export function ImmutableRules({ project, rights }: RulesProps) {
  const { t } = useWords()
  const [editing, setEditing] = useState<Rule | 'new'>()
  const list = useList(pages(listImmutableRules, { params: { project }, query: { limit: 100 } }))
  const create = rights.has('immutability:create') ? (
    <Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing('new')}>
      {t('manage:immutable.create')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('manage:immutable.title')} actions={create} isFlush>
      <Text size="sm" c="dimmed" px={16} pt={12}>
        {t('manage:immutable.text')}
      </Text>
      <Listing list={list} empty={<None>{t('manage:immutable.none')}</None>}>
        <ul className="rows">
          {list.items.map((rule) => (
            <OneRule key={rule.id} project={project} rule={rule} rights={rights} edit={() => setEditing(rule)} />
          ))}
        </ul>
        <More more={list.more} />
      </Listing>
      <Dialog
        title={editing === 'new' ? t('manage:immutable.create') : t('manage:immutable.edit')}
        opened={editing !== undefined}
        close={() => setEditing(undefined)}
        size={560}
      >
        {editing !== undefined && (
          <RuleForm project={project} rule={editing === 'new' ? undefined : editing} close={() => setEditing(undefined)} />
        )}
      </Dialog>
    </Panel>
  )
}

interface OneProps extends RulesProps {
  readonly rule: Rule
  readonly edit: () => void
}

function OneRule({ project, rule, rights, edit }: OneProps) {
  const { t } = useWords()
  const input = { params: { project, rule: rule.id }, ifMatch: rule.version }
  const name = rule.tags
  const toggle = () => change(updateImmutableRule, { ...input, body: { isEnabled: !rule.isEnabled } }, touched)
  const remove = async () => {
    await change(deleteImmutableRule, input, touched)
    tell(t('manage:immutable.removed', { name }))
  }
  return (
    <Row
      title={
        <Group gap={8}>
          <Lock size={13} aria-hidden />
          <span className="mono">{rule.tags}</span>
          <Badge size="sm">{t(`manage:rules.syntaxes.${rule.tagSyntax}`)}</Badge>
        </Group>
      }
      text={
        <>
          {t('manage:rules.in')} <span className="mono">{rule.repositories}</span>
          {rule.description !== '' && ` · ${rule.description}`}
          {(rule.warnings ?? []).map((warning) => (
            <div key={warning} lang="en">
              {warning}
            </div>
          ))}
        </>
      }
    >
      <Group gap={6} wrap="nowrap">
        {rights.has('immutability:update') ? (
          <>
            <Switch
              size="xs"
              checked={rule.isEnabled}
              onChange={() => void act(toggle)}
              aria-label={t('manage:providers.switch', { name })}
            />
            <ActionIcon onClick={edit} aria-label={t('manage:common.edit', { name })}>
              <Pencil size={15} />
            </ActionIcon>
          </>
        ) : (
          !rule.isEnabled && <Badge size="sm">{t('robots.disabled')}</Badge>
        )}
        {rights.has('immutability:delete') && (
          <ActionIcon onClick={() => void act(remove)} aria-label={t('manage:common.remove', { name })}>
            <Trash2 size={15} />
          </ActionIcon>
        )}
      </Group>
    </Row>
  )
}

interface FormProps {
  readonly project: string
  readonly rule: Rule | undefined
  readonly close: () => void
}

function RuleForm({ project, rule, close }: FormProps) {
  const { t } = useWords()
  const { draft, put, text } = useDraft({
    pattern: rule?.tags ?? '',
    syntax: (rule?.tagSyntax ?? 'glob') as Syntax,
    repositories: rule?.repositories ?? '**',
    description: rule?.description ?? '',
  })
  const save = async () => {
    const { pattern: tags, syntax: tagSyntax, repositories, description } = draft
    const body = { tags, tagSyntax, repositories, description }
    const saved =
      rule === undefined
        ? await change(createImmutableRule, { params: { project }, body }, touched)
        : await change(updateImmutableRule, { params: { project, rule: rule.id }, body, ifMatch: rule.version }, touched)
    tell(t('common.saved'), (saved.warnings ?? []).join(' '))
    close()
  }
  return (
    <Form save={save} close={close} submit={rule === undefined ? t('common.create') : t('common.save')}>
      <TagPattern label={t('manage:rules.tags')} syntax={draft.syntax} pattern={draft.pattern} set={put} isRequired />
      <TextInput
        label={t('nav.repositories')}
        description={t('members.repositoriesHint')}
        classNames={{ input: 'mono' }}
        required
        withAsterisk={false}
        {...text('repositories')}
      />
      <TextInput label={t('common.description')} {...text('description')} />
    </Form>
  )
}
