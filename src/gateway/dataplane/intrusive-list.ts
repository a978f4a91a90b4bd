/** A member of at most one list; the links live in the member, because a Set per request costs more than the request's other bookkeeping. */
export interface Linked<Item> {
  next: Item | undefined;
  previous: Item | undefined;
}

/** A doubly linked list in order of arrival. */
export class IntrusiveList<Item extends Linked<Item>> {
  first: Item | undefined;
  last: Item | undefined;
  size = 0;

  add(item: Item): void {
    item.previous = this.last;
    item.next = undefined;
    if (this.last === undefined) this.first = item;
    else this.last.next = item;
    this.last = item;
    this.size++;
  }

  /** The item must be a member. */
  remove(item: Item): void {
    const { next, previous } = item;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    item.next = undefined;
    item.previous = undefined;
    this.size--;
  }

  /** A copy, safe against changes while it is walked. */
  toArray(): Item[] {
    const items: Item[] = [];
    for (let item = this.first; item !== undefined; item = item.next) items.push(item);
    return items;
  }
}
