// What Relay asks of a schema: fragments, pages that refetch, nodes that refetch, and lists that a mutation updates.
import { graphql } from "relay-runtime";

graphql`
  fragment Gallery_card on Image @refetchable(queryName: "GalleryCardQuery") {
    title
    createdAt
    thumbnail(fit: SMALL) {
      url
    }
    tags {
      name
    }
  }
`;
graphql`
  fragment Gallery_page on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 10 }
    cursor: { type: "String" }
    filter: { type: "ImageFilter" }
  )
  @refetchable(queryName: "GalleryPageQuery") {
    images(first: $count, after: $cursor, filter: $filter) @connection(key: "Gallery_images") {
      edges {
        node {
          ...Gallery_card
        }
      }
    }
  }
`;
graphql`
  fragment Gallery_tag on Tag
  @argumentDefinitions(last: { type: "Int", defaultValue: 10 }, before: { type: "String" })
  @refetchable(queryName: "GalleryTagQuery") {
    name
    images(last: $last, before: $before) @connection(key: "Gallery_tag_images") {
      edges {
        node {
          ...Gallery_card
        }
      }
    }
  }
`;
graphql`
  fragment Gallery_search on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" })
  @refetchable(queryName: "GallerySearchQuery") {
    searchImages(query: { text: "a cat" }, first: $count, after: $cursor)
      @connection(key: "Gallery_searchImages") {
      edges {
        score
        node {
          ...Gallery_card
        }
      }
    }
  }
`;
graphql`
  query GalleryQuery($filter: ImageFilter) {
    viewer {
      user {
        name
      }
    }
    tags(first: 3) {
      edges {
        node {
          ...Gallery_tag
        }
      }
    }
    ...Gallery_page @arguments(filter: $filter)
    ...Gallery_search
  }
`;
graphql`
  mutation GalleryUploadMutation($file: Upload!, $connections: [ID!]!) {
    uploadImage(input: { file: $file }) {
      image @prependNode(connections: $connections, edgeTypeName: "ImageEdge") {
        ...Gallery_card
      }
    }
  }
`;
graphql`
  mutation GalleryDeleteMutation($ids: [ID!]!, $connections: [ID!]!) {
    deleteImages(ids: $ids) @deleteEdge(connections: $connections) @deleteRecord
  }
`;
graphql`
  subscription GallerySubscription($ids: [ID!]) {
    imageProcessing(imageIds: $ids) {
      ...Gallery_card
      processing {
        status
      }
    }
  }
`;
