/** What a name, a mask, a topic and a filter are. The rules are those of `docs/protocol.md`. */

/** How long and how deep a name or mask may be. */
export interface NameLimits {
  /** Longest one in bytes of UTF-8. */
  readonly bytes: number;
  /** Most parts between dots. */
  readonly parts: number;
}

/** How long and how deep a topic or filter may be. */
export interface TopicLimits {
  /** Longest one in bytes of UTF-8. */
  readonly bytes: number;
  /** Most levels between slashes. */
  readonly levels: number;
}

/** What stands between the name of a primary and the suffix of its secondary. */
const SECONDARY = '%%';

// With the flag u a surrogate is matched only if it stands alone.
const NOT_UTF8 = /[\uD800-\uDFFF]/u;
const CONTROL = /\p{Cc}/u;

/** What is wrong with a client's name; `undefined` if nothing is. @internal */
export function nameFault(name: string, limits: NameLimits): string | undefined {
  if (/[*?]/.test(name)) {
    return 'a name holds neither * nor ?';
  }
  return faultOfParts(name, limits);
}

/** What is wrong with the mask of a broadcast. @internal */
export function maskFault(mask: string, limits: NameLimits): string | undefined {
  const parts = mask.split('.');
  if (parts.some((part, at) => part.includes('*') && (part !== '*' || at !== parts.length - 1))) {
    return 'in a mask, * stands only for the whole last part';
  }
  if (parts.some((part) => part.includes('?') && part !== '?')) {
    return 'in a mask, ? stands only for a whole part';
  }
  return faultOfParts(mask, limits);
}

/** What is wrong with a topic to publish to. @internal */
export function topicFault(topic: string, limits: TopicLimits): string | undefined {
  if (topic.split('/').some((level) => level === '+' || level === '#')) {
    return 'nothing is published to a topic with the level + or #';
  }
  return faultOfLevels(topic, limits);
}

/** What is wrong with a topic filter. @internal */
export function filterFault(filter: string, limits: TopicLimits): string | undefined {
  const hash = filter.indexOf('#');
  if (hash >= 0 && (hash !== filter.length - 1 || (hash > 0 && filter[hash - 1] !== '/'))) {
    return 'in a filter, # stands only for the whole last level';
  }
  return faultOfLevels(filter, limits);
}

/** Whether a filter matches a topic. @internal */
export function filterMatches(filter: string, topic: string): boolean {
  const asked = filter.split('/');
  const levels = topic.split('/');
  const open = asked[asked.length - 1] === '#';
  const fits = open ? levels.length >= asked.length : levels.length === asked.length;
  return (
    fits &&
    asked.every((level, at) => level === '+' || (open && at === asked.length - 1) || level === levels[at])
  );
}

/** The name of the primary: the name without the suffix of a secondary. @internal */
export function primaryName(name: string): string {
  const end = name.indexOf(SECONDARY);
  return end < 0 ? name : name.slice(0, end);
}

function faultOfParts(name: string, limits: NameLimits): string | undefined {
  const suffix = name.indexOf(SECONDARY);
  if (suffix >= 0) {
    const rest = name.slice(suffix + SECONDARY.length);
    if (suffix === 0 || rest === '' || rest.includes(SECONDARY)) {
      return 'the name of a secondary is PRIMARY%%SUFFIX, with something on both sides';
    }
  }
  return faultOfText(name, limits.bytes) ?? tooDeep('parts', name.split('.').length, limits.parts);
}

function faultOfLevels(topic: string, limits: TopicLimits): string | undefined {
  return faultOfText(topic, limits.bytes) ?? tooDeep('levels', topic.split('/').length, limits.levels);
}

function tooDeep(what: string, count: number, limit: number): string | undefined {
  return count > limit ? `it has ${count} ${what}, the limit is ${limit}` : undefined;
}

function faultOfText(text: string, limit: number): string | undefined {
  if (text === '') {
    return 'it is empty';
  }
  if (NOT_UTF8.test(text)) {
    return 'it is not Unicode';
  }
  if (CONTROL.test(text)) {
    return 'it holds a control character';
  }
  const bytes = Buffer.byteLength(text);
  return bytes > limit ? `it is ${bytes} bytes long, the limit is ${limit}` : undefined;
}
